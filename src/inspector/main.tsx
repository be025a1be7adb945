import { render } from "preact";
import "./style/tokens.css";
import "./style/shell.css";
import "./style/timeline.css";
import "./style/loop.css";
import { App } from "./shell/app.tsx";
import { applyTheme, readTheme } from "./shell/theme.ts";

applyTheme(readTheme());
const page = document.getElementById("page");
if (page !== null) render(<App />, page);
