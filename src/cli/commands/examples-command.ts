import type { Command } from "commander";
import type { ExamplesOptions } from "../actions/run-examples.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";

export function addExamplesCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("examples", { hidden: true })
    .description("Repair every example of a folder, one after the other, and compare with what its manifest expects.")
    .argument("<folder>", "a folder of examples, each with a skein-example.json")
    .option("--only <name>", "only the example in the folder of this name")
    .option("--json", "one JSON document at the end");
  addCommonOptions(command, [
    "skein examples examples/packages",
    "skein examples examples/packages --only job-queue",
  ]).action(async (folder: string, options: ExamplesOptions) =>
    (await import("../actions/run-examples.ts")).runExamples(line, folder, options),
  );
}
