import type { Command } from "commander";
import { addCommonOptions, type CommandLine, type CommonOptions } from "../common-options.ts";

export function addDoctorCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("doctor")
    .description("What this machine can do: containment, forks, agents; and what to install for more.")
    .option("--json", "one JSON document")
    .action(async (options: CommonOptions) => (await import("../actions/run-doctor.ts")).runDoctor(line, options));
  addCommonOptions(command, ["skein doctor", "skein doctor --json | jq '.findings[] | select(.state != \"ok\")'"]);
}
