import type { Command } from "commander";
import type { ReplayOptions } from "../actions/replay-session.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";
import { parseSpeed, parseWhole } from "../parse-option.ts";

export function addReplayCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("replay")
    .description("Show a session again from its log, as it went.")
    .argument("<session>", "an id, the beginning of one, or last")
    .option("--after <seq>", "begin after this event", parseWhole(0, "A position"))
    .option(
      "--speed <factor>",
      "1: as it went, 10: ten times as fast, max: at once (default: 1 on a terminal, else max)",
      parseSpeed,
    )
    .option("--json", "the stored events, one a line, at once")
    .action(async (session: string, options: ReplayOptions) =>
      (await import("../actions/replay-session.ts")).replaySession(line, session, options),
    );
  addCommonOptions(command, [
    "skein replay last",
    "skein replay loop_4k2 --speed 10",
    "skein replay run_9xb --after 120 --json",
  ]);
}
