// Removes from dist/ what no source file stands behind any more, so that a deleted source leaves no compiled file.
// What is up to date stays: an incremental build then takes a second, and a build does not pull files from under a running test.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const DIST = "dist";
/** The page is bundled: its files have no source of the same name, and its build empties its folder itself. */
const PAGE = join(DIST, "inspector");
const files = existsSync(DIST) ? readdirSync(DIST, { recursive: true, withFileTypes: true }) : [];
for (const file of files) {
  if (`${file.parentPath}/`.startsWith(`${PAGE}/`)) continue;
  const match = file.isFile() && /^(.*?)\.(d\.ts|js)(\.map)?$/.exec(join(file.parentPath, file.name));
  if (match && !existsSync(`${match[1].replace(/^dist/, "src")}.ts`)) rmSync(match[0]);
}
// tsc believes its record of what it wrote; without the files the record must go too.
if (!existsSync(join(DIST, "errors.js"))) rmSync(join(DIST, ".tsbuildinfo"), { force: true });
