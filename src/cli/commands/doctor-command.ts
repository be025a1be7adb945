import type { Command } from "commander";
import { addCommonOptions, type CommandLine, type TryOptions } from "../common-options.ts";

export function addDoctorCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("doctor")
    .description("What this machine can do: containment, forks, agents; and what to install for more.")
    .option("--json", "one JSON document")
    .option("--try", "start every agent that is there, each in a box of its own, and say what it answers")
    .action(async (options: TryOptions) => (await import("../actions/run-doctor.ts")).runDoctor(line, options));
  addCommonOptions(command, [
    "skein doctor",
    "skein doctor --try",
    "skein doctor --json | jq '.findings[] | select(.state != \"ok\")'",
  ]);
}
