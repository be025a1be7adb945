import { toPlainText } from "../../view/plain-text.ts";
import type { Style } from "./style.ts";

/** A unified diff in colour. Lines are shown whole: a change that is cut is not a change that one can judge. */
export function renderDiff(patch: string, style: Style): string[] {
  const lines = toPlainText(patch).split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => {
    if (line.startsWith("+++") || line.startsWith("---") || line.startsWith("diff ")) return style.bold(line);
    if (line.startsWith("@@")) return style.cyan(line);
    if (line.startsWith("+")) return style.green(line);
    if (line.startsWith("-")) return style.red(line);
    return line;
  });
}
