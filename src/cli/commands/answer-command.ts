import type { Command } from "commander";
import type { AnswerOptions } from "../actions/answer-question.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";

export function addAnswerCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("answer")
    .description(
      "Answer an agent that asks whether it may do something (--permissions ask); without an answer, list what is asked.",
    )
    .argument("<session>", "its id, or the beginning of it")
    .argument("[request]", "the question's id")
    .argument("[option]", "the id of one of its options")
    .option("--json", "the open questions as one JSON array");
  addCommonOptions(command, ["skein answer run_4k2m", "skein answer run_4k2m turn_9c1x-1 allow"]).action(
    async (session: string, request: string | undefined, option: string | undefined, options: AnswerOptions) =>
      (await import("../actions/answer-question.ts")).showOrAnswer(line, session, request, option, options),
  );
}
