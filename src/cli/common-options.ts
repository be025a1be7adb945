import type { Command } from "commander";
import type { Interrupt } from "./interrupt.ts";
import type { Terminal } from "./terminal.ts";

/** What every command is given: where to write, what to listen to, and the world outside. */
export interface CommandLine {
  readonly terminal: Terminal;
  readonly interrupt: Interrupt;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  now(): number;
  /** The exit code of a command that ended by itself. */
  exit(code: number): void;
}

/** Options that every command has. */
export interface CommonOptions {
  readonly data?: string;
  readonly json?: boolean;
  readonly debug?: boolean;
}

/** Adds what every command has, and its examples at the end of its help. */
export function addCommonOptions(command: Command, examples: readonly string[]): Command {
  return command
    .option("--data <dir>", "the data directory (default: SKEIN_DATA, else .skein here)")
    .option("--no-color", "no colours (also: NO_COLOR)")
    .option("--debug", "show where an error comes from")
    .addHelpText("after", `\nExamples:\n${examples.map((example) => `  $ ${example}`).join("\n")}`);
}
