import type { Command } from "commander";
import type { MoveOptions } from "../actions/move-sessions.ts";
import { addExamples, type CommandLine } from "../common-options.ts";

export function addMoveCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("move")
    .description("Carry all sessions to another place, with ids, positions and forks; boxes stay.")
    .argument("<from>", "a data directory, or postgres://…")
    .argument("<to>", "another one")
    .option("--keep", "leave them where they were, too")
    .option("--json", "what was moved, as one JSON document")
    .option("--no-color", "no colours (also: NO_COLOR)")
    .option("--debug", "show where an error comes from")
    .action(async (from: string, to: string, options: MoveOptions) =>
      (await import("../actions/move-sessions.ts")).moveAllSessions(line, from, to, options),
    );
  addExamples(command, [
    "skein move .skein postgres://skein@db.internal/agents",
    "skein move postgres://skein@db.internal/agents backup --keep",
  ]);
}
