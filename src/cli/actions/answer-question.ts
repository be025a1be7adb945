import { userInfo } from "node:os";
import { answerQuestion } from "../../runtime/answer-question.ts";
import { findSession } from "../../runtime/find-session.ts";
import { listOpenQuestions } from "../../runtime/open-questions.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";

export type AnswerOptions = CommonOptions;

/** Lists the questions that wait for a person, or answers one of them. */
export async function showOrAnswer(
  line: CommandLine,
  wanted: string,
  requestId: string | undefined,
  optionId: string | undefined,
  options: AnswerOptions,
): Promise<void> {
  const { terminal } = line;
  await using runtime = await openData(line, options, { need: "write" });
  const session = await findSession(runtime.store, wanted);
  const questions = await listOpenQuestions(runtime.store, session);
  if (requestId === undefined || optionId === undefined) {
    if (options.json === true) return terminal.printJson(questions);
    if (questions.length === 0) return terminal.print("No question is open.");
    for (const { requestId: id, title, options: choices } of questions) {
      terminal.print(
        toPlainLine(title),
        ...choices.map(
          (choice) => `  skein answer ${session.id} ${id} ${choice.optionId}   ${toPlainLine(choice.name)}`,
        ),
      );
    }
    return;
  }
  await answerQuestion(runtime, session, requestId, { optionId, by: `cli:${userInfo().username}` });
  terminal.print(`Answered ${requestId}: ${optionId}.`);
}
