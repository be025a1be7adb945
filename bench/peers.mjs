// A session of a thousand steps of 300 bytes, stored durably step by step, by Skein and by others that install from npm. Each step is
// stored before the next one begins, as an agent's steps are. The others are not installed by `npm ci`: `npm run bench -- peers` does it.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("peers/", import.meta.url));
if (process.env.SKEIN_BENCH_NAMED !== undefined) {
  // Also where an earlier version of this list is installed.
  const { status } = spawnSync("npm", ["install", "--no-audit", "--no-fund", "--no-package-lock"], {
    cwd: folder,
    stdio: "inherit",
  });
  if (status !== 0) process.exit(1);
} else if (!existsSync(`${folder}node_modules`)) {
  console.log("left out: `npm run bench -- peers` installs what it is measured against, and measures");
  process.exit(0);
}
const { status } = spawnSync(
  process.execPath,
  ["--expose-gc", fileURLToPath(new URL("peers/thousand-steps.mjs", import.meta.url))],
  { stdio: "inherit" },
);
process.exit(status ?? 1);
