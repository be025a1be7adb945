import type { CommandLine, TryOptions } from "../common-options.ts";
import { examineMachine } from "../doctor-checks.ts";
import { EXIT } from "../exit-codes.ts";
import { toExamineOptions } from "./agents.ts";
import { renderDoctor } from "../render/render-doctor.ts";

export async function runDoctor(line: CommandLine, options: TryOptions): Promise<void> {
  const { terminal } = line;
  const findings = await examineMachine(toExamineOptions(line, options));
  const works = findings.every(({ state }) => state !== "broken");
  if (options.json === true) terminal.printJson({ works, findings });
  else terminal.print(...renderDoctor(findings, terminal.style));
  line.exit(works ? EXIT.done : EXIT.failed);
}
