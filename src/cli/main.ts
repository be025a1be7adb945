#!/usr/bin/env node
import { EXIT } from "./exit-codes.ts";
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

function readCwd(): string {
  try {
    return process.cwd();
  } catch {
    terminal.warn("skein: The current folder is gone; go to one that exists. [path_not_found]");
    return process.exit(EXIT.usage);
  }
}

const exitCode = await runCommandLine(argv, { terminal, interrupt, env: process.env, cwd: readCwd() });
// A pipe may still hold what was written; and a box's supervisor must not keep its starter alive, so the end is said.
process.stdout.write("", () => process.exit(exitCode));
