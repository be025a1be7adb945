// Runs the measurements of bench/, one after the other: all, or those that are named (`npm run bench -- overhead`).
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";

const all = readdirSync("bench")
  .filter((file) => file.endsWith(".mjs"))
  .map((file) => file.replace(/\.mjs$/, ""));
const named = process.argv.slice(2);
const unknown = named.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`There is no measurement named ${unknown.join(", ")}; there are ${all.join(", ")}.`);
  process.exit(2);
}
for (const name of named.length > 0 ? named : all) {
  console.log(`── ${name}`);
  const env = named.length > 0 ? { ...process.env, SKEIN_BENCH_NAMED: "1" } : process.env;
  const { status } = spawnSync(process.execPath, ["--expose-gc", `bench/${name}.mjs`], { stdio: "inherit", env });
  if (status !== 0) process.exit(1);
}
