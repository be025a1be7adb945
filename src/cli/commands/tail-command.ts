import type { Command } from "commander";
import type { TailOptions } from "../actions/tail-session.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";
import { parseWhole } from "../parse-option.ts";

export function addTailCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("tail")
    .description("Watch a session live, also while another process writes it. Ends with the run.")
    .argument("<session>", "an id, the beginning of one, or last")
    .option("--after <seq>", "begin after this event", parseWhole(0, "A position"))
    .option("-f, --follow", "go on over later runs of the session, until Ctrl-C")
    .option("--json", "the stored events, one a line, as they come")
    .action(async (session: string, options: TailOptions) =>
      (await import("../actions/tail-session.ts")).tailSession(line, session, options),
    );
  addCommonOptions(command, [
    "skein tail last",
    "skein tail loop_4k2 --follow",
    "skein tail run_9xb --json | jq .type",
  ]);
}
