import type { Command } from "commander";
import type { ShowOptions } from "../actions/show-session.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";

export function addShowCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("show")
    .description("What happened in a session: how it ended, what failed, its iterations as a tree or its tools.")
    .argument("<session>", "an id, the beginning of one, or last")
    .option("--patch", "only the change to the workspace, as a diff")
    .option("--svg <file>", "the lineage of a loop as a picture, into a new file (-: standard output)")
    .option("--json", "one JSON document")
    .action(async (session: string, options: ShowOptions) =>
      (await import("../actions/show-session.ts")).showSession(line, session, options),
    );
  addCommonOptions(command, [
    "skein show last",
    "skein show loop_4k2 --json | jq .winner",
    "skein show last --patch > fix.patch",
    "skein show last --svg lineage.svg",
  ]);
}
