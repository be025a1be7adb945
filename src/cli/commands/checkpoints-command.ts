import type { Command } from "commander";
import { addCommonOptions, addExamples, type CommandLine, type CommonOptions } from "../common-options.ts";

export function addCheckpointsCommand(program: Command, line: CommandLine): void {
  const checkpoints = program
    .command("checkpoints")
    .description("The checkpoints of this data directory: list them, delete them.");
  const ls = checkpoints
    .command("ls")
    .description("List the checkpoints that boxes can be made of.")
    .option("--json", "one JSON array")
    .action(async (options: CommonOptions) =>
      (await import("../actions/checkpoints.ts")).listCheckpoints(line, options),
    );
  addCommonOptions(ls, ["skein checkpoints ls", "skein checkpoints ls --json"]);
  const rm = checkpoints
    .command("rm")
    .description("Delete checkpoints; no later run can fork from them then.")
    .argument("<checkpoint...>", "their ids")
    .action(async (ids: string[], options: CommonOptions) =>
      (await import("../actions/checkpoints.ts")).removeCheckpoints(line, ids, options),
    );
  addCommonOptions(rm, ["skein checkpoints rm checkpoint_4k2m"]);
  // Its options are those of its commands: one that both had would be taken by the wrong one.
  addExamples(checkpoints, ["skein checkpoints ls", "skein checkpoints rm checkpoint_4k2m"]);
}
