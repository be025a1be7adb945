#!/usr/bin/env node
import { createInterrupt } from "./interrupt.ts";
import { runCommandLine } from "./run-command-line.ts";
import { createTerminal } from "./terminal.ts";

const argv = process.argv.slice(2);
const terminal = createTerminal({ stdout: process.stdout, stderr: process.stderr, env: process.env, argv });
const interrupt = createInterrupt({
  process,
  say: (line) => terminal.warn(line),
  leave: (exitCode) => process.exit(exitCode),
});
const exitCode = await runCommandLine(argv, { terminal, interrupt, env: process.env, cwd: process.cwd() });
// A pipe may still hold what was written; and a box's supervisor must not keep its starter alive, so the end is said.
process.stdout.write("", () => process.exit(exitCode));
