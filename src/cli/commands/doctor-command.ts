import type { Command } from "commander";
import { addCommonOptions, type CommandLine, type CommonOptions } from "../command-line.ts";
import { examineMachine } from "../doctor-checks.ts";
import { EXIT } from "../exit-codes.ts";
import { renderDoctor } from "../render/render-doctor.ts";

export function addDoctorCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("doctor")
    .description("What this machine can do: containment, forks, agents; and what to install for more.")
    .option("--json", "one JSON document")
    .action((options: CommonOptions) => doctor(line, options));
  addCommonOptions(command, ["skein doctor", "skein doctor --json | jq '.findings[] | select(.state != \"ok\")'"]);
}

async function doctor(line: CommandLine, options: CommonOptions): Promise<void> {
  const { terminal } = line;
  const findings = await examineMachine(line.env, line.cwd);
  const works = findings.every(({ state }) => state !== "broken");
  if (options.json === true) terminal.printJson({ works, findings });
  else terminal.print(...renderDoctor(findings, terminal.style));
  line.exit(works ? EXIT.done : EXIT.failed);
}
