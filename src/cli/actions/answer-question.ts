import { userInfo } from "node:os";
import { SandboxError, ValidationError } from "../../errors.ts";
import { findSession } from "../../runtime/find-session.ts";
import { listOpenQuestions } from "../../runtime/open-questions.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";

export type AnswerOptions = CommonOptions;

/** Lists the questions that wait for a person, or answers one of them. */
export async function answerQuestion(
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
  const question = questions.find((one) => one.requestId === requestId);
  if (question === undefined)
    throw new ValidationError(
      "permission_unknown",
      `No question ${JSON.stringify(requestId)} of ${session.id} waits for an answer; \`skein answer ${session.id}\` lists those that do.`,
    );
  for (const client of (await runtime.openUsedSandboxes()).values()) {
    const box = await client.attach(question.boxId);
    if (box === null) continue;
    await box.answer?.(requestId, { optionId, by: `cli:${userInfo().username}` });
    return terminal.print(`Answered ${requestId}: ${optionId}.`);
  }
  throw new SandboxError("box_gone", `The box ${question.boxId}, which asked, is gone.`);
}
