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

/** Options of commands that look at agents. */
export interface TryOptions extends CommonOptions {
  /** Whether the agents are started. */
  readonly try?: boolean;
}

/** Adds what every command has, and its examples at the end of its help. */
export function addCommonOptions(command: Command, examples: readonly string[]): Command {
  command
    .option("--data <place>", "the data directory, or postgres://… (default: SKEIN_DATA, else .skein here)")
    .option("--no-color", "no colours (also: NO_COLOR)")
    .option("--debug", "show where an error comes from");
  return addExamples(command, examples);
}

export function addExamples(command: Command, examples: readonly string[]): Command {
  return command.addHelpText("after", `\nExamples:\n${examples.map((example) => `  $ ${example}`).join("\n")}`);
}

/** Options before the command, as in `skein --data x ls`, belong to the command: they are put behind it. */
export function moveLeadingOptions(argv: readonly string[]): string[] {
  const rest = [...argv];
  const moved: string[] = [];
  for (;;) {
    const [first = ""] = rest;
    if (first === "--data") moved.push(...rest.splice(0, 2));
    else if (first.startsWith("--data=") || first === "--no-color" || first === "--debug")
      moved.push(...rest.splice(0, 1));
    else break;
  }
  // Without a command there is nothing to put them behind: the help says what is missing.
  return rest.length === 0 ? [] : [...rest, ...moved];
}
