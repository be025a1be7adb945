// Runs every static check side by side and says something only where one fails, and then what it said.
// Usage: node scripts/check.mjs [name…]   (all without a name)
import { spawn } from "node:child_process";
import { join } from "node:path";

const bin = (name) => join("node_modules", ".bin", name);

const CHECKS = {
  imports: [bin("depcruise"), "src", "--config", ".dependency-cruiser.mjs"],
  lint: [
    bin("oxlint"),
    "src",
    "test",
    "examples",
    "scripts",
    "bench",
    "--ignore-pattern",
    "examples/packages",
    "-f",
    "unix",
  ],
  format: [bin("oxfmt"), "--check", "src", "test", "examples", "scripts", "bench"],
  types: [bin("tsc"), "-p", "test/tsconfig.json"],
  page: [bin("tsc"), "-p", "src/inspector/tsconfig.json"],
  examples: [bin("tsc"), "-p", "examples/tsconfig.json"],
  unused: [bin("knip"), "--no-progress"],
  exports: [process.execPath, "scripts/check-exports.mjs"],
  package: [bin("publint"), "--strict"],
  resolution: [bin("attw"), "--pack", ".", "--profile", "esm-only", "--no-emoji", "--no-color", "--quiet"],
};

const PARALLEL = 2;

// The checks look at what is built; packing must not build it again while others read it.
const env = { ...process.env, NO_COLOR: "1", npm_config_ignore_scripts: "true" };

function run([command, ...args]) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env });
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("error", (error) => resolve({ code: 1, output: `${command}: ${error.message}` }));
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

const named = process.argv.slice(2);
const unknown = named.filter((name) => !Object.hasOwn(CHECKS, name));
if (unknown.length > 0) {
  console.error(`There is no check named ${unknown.join(", ")}; there are ${Object.keys(CHECKS).join(", ")}.`);
  process.exit(2);
}

const queue = Object.entries(CHECKS).filter(([name]) => named.length === 0 || named.includes(name));
const total = queue.length;
let failed = 0;

async function work() {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [name, command] = next;
    const startedAt = Date.now();
    const { code, output } = await run(command);
    if (code === 0) continue;
    failed++;
    console.error(`── ${name}: failed after ${((Date.now() - startedAt) / 1000).toFixed(1)} s\n${output.trimEnd()}\n`);
  }
}

await Promise.all(Array.from({ length: PARALLEL }, work));
console.log(`checks: ${total - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
