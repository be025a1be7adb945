import type { Command } from "commander";
import type { ResumeOptions } from "../actions/loop-package.ts";
import { addEnvOption } from "../agent-options.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";
import { SANDBOX_NAMES } from "../../runtime/open-sandbox.ts";
import { parseWord } from "../parse-option.ts";

export function addResumeCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("resume")
    .description(
      "Go on with a loop that was interrupted or aborted, as it was started. What its log holds is not done again.",
    )
    .argument("<session>", "the loop")
    .option(
      "--on-lost-box <what>",
      "where an attempt should go on in a box that is gone: fail or fresh",
      parseWord(["fail", "fresh"] as const),
      "fail",
    )
    .option("--sandbox <sandbox>", "local, podman or docker (default: the loop's own)", parseWord(SANDBOX_NAMES))
    .option("--json", "the stored events of the loop and its attempts, one a line");
  addEnvOption(command);
  addCommonOptions(command, ["skein resume last", "skein resume loop_4k2 --on-lost-box fresh"]).action(
    async (session: string, options: ResumeOptions) =>
      (await import("../actions/loop-package.ts")).resumeLoop(line, session, options),
  );
}
