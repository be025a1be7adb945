import type { Command } from "commander";
import type { ApplyOptions } from "../actions/apply-change.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";
import { parseWhole } from "../parse-option.ts";

export function addApplyCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("apply")
    .description(
      "Put a session's change into your own files: the winner's, for a loop. Where it does not fit, nothing is changed.",
    )
    .argument("<session>", "an id, the beginning of one, or last")
    .option("--to <dir>", "the folder to change (default: the one that the session was started from)")
    .option("--iteration <n>", "the change of this iteration instead of the winner's", parseWhole(0, "An iteration"))
    .option("--dry-run", "only say whether it fits, and show it")
    .option("--json", "one JSON document")
    .action(async (session: string, options: ApplyOptions) =>
      (await import("../actions/apply-change.ts")).applyChange(line, session, options),
    );
  addCommonOptions(command, [
    "skein apply last --dry-run",
    "skein apply loop_4k2",
    "skein apply loop_4k2 --iteration 3 --to ../copy",
  ]);
}
