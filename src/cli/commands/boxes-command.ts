import type { Command } from "commander";
import { SANDBOX_NAMES } from "../../runtime/open-sandbox.ts";
import type { ListBoxesOptions } from "../actions/boxes.ts";
import { addCommonOptions, addExamples, type CommandLine, type CommonOptions } from "../common-options.ts";
import { parseWord } from "../parse-option.ts";

export function addBoxesCommand(program: Command, line: CommandLine): void {
  const boxes = program.command("boxes").description("The boxes of this data directory: list them, delete them.");
  const ls = boxes
    .command("ls")
    .description("List the boxes that are on record.")
    .option("--sandbox <sandbox>", "only those of local, podman or docker", parseWord(SANDBOX_NAMES))
    .option("--json", "one JSON array")
    .action(async (options: ListBoxesOptions) => (await import("../actions/boxes.ts")).listBoxes(line, options));
  addCommonOptions(ls, ["skein boxes ls", "skein boxes ls --sandbox podman --json"]);
  const rm = boxes
    .command("rm")
    .description("Delete boxes, whatever runs in them.")
    .argument("<box...>", "their ids")
    .action(async (ids: string[], options: CommonOptions) =>
      (await import("../actions/boxes.ts")).removeBoxes(line, ids, options),
    );
  addCommonOptions(rm, ["skein boxes rm box_4k2m"]);
  const prune = boxes
    .command("prune")
    .description("Delete the boxes whose owner is gone.")
    .action(async (options: CommonOptions) => (await import("../actions/boxes.ts")).pruneBoxes(line, options));
  addCommonOptions(prune, ["skein boxes prune"]);
  // Its options are those of its commands: one that both had would be taken by the wrong one.
  addExamples(boxes, ["skein boxes ls", "skein boxes prune"]);
}
