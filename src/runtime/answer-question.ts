import { SandboxError, ValidationError } from "../errors.ts";
import type { PermissionAnswer, SandboxClient } from "../sandbox/sandbox.ts";
import type { Session, SessionStore } from "../store/session-store.ts";
import { listOpenQuestions } from "./open-questions.ts";

/** Where questions are stored, and the boxes that may have asked them. */
export interface QuestionPlace {
  readonly store: SessionStore;
  openUsedSandboxes(): Promise<ReadonlyMap<string, SandboxClient>>;
}

/**
 * Hands a person's answer to the box that asked, whatever process executes its run.
 *
 * @param session the one whose log holds the question, or the loop of that one
 * @throws ValidationError `permission_unknown`, `invalid_option`; SandboxError `box_gone`
 */
export async function answerQuestion(
  place: QuestionPlace,
  session: Session,
  requestId: string,
  answer: PermissionAnswer,
): Promise<void> {
  const { store } = place;
  // The box of an iteration stands in the log of its loop.
  const asked = session.parentId === undefined ? session : ((await store.get(session.parentId)) ?? session);
  const question = (await listOpenQuestions(store, asked)).find((one) => one.requestId === requestId);
  if (question === undefined)
    throw new ValidationError(
      "permission_unknown",
      `No question ${JSON.stringify(requestId)} of ${session.id} waits for an answer; \`skein answer ${session.id}\` lists those that do.`,
    );
  for (const client of (await place.openUsedSandboxes()).values()) {
    const box = await client.attach?.(question.boxId);
    if (box === undefined || box === null) continue;
    try {
      return await box.answer?.(requestId, answer);
    } finally {
      // Whoever runs the turn keeps the box alive, not whoever answered.
      box.detach?.();
    }
  }
  throw new SandboxError("box_gone", `The box ${question.boxId}, which asked, is gone.`);
}
