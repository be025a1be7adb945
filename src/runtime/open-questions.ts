import type { PermissionOption } from "../event/event.ts";
import { OpenQuestions } from "../event/open-questions.ts";
import type { Session, SessionStore } from "../store/session-store.ts";

/** A question of an agent's that nobody has answered. */
export interface OpenQuestion {
  /** The session whose log holds it: a task's own, or that of a loop's iteration. */
  readonly sessionId: string;
  readonly boxId: string;
  readonly requestId: string;
  readonly title: string;
  readonly options: readonly PermissionOption[];
}

/** The questions that wait for a person, of a session and, where it is a loop, of its iterations. */
export async function listOpenQuestions(store: SessionStore, session: Session): Promise<OpenQuestion[]> {
  const boxes = new Map<string, string>();
  const take = async (sessionId: string): Promise<OpenQuestion[]> => {
    const questions = new OpenQuestions();
    for await (const event of store.read(sessionId)) {
      questions.add(event);
      if (event.type === "iteration.started" && event.boxId !== undefined)
        boxes.set(event.iterationSessionId, event.boxId);
    }
    const boxId = boxes.get(sessionId);
    return boxId === undefined
      ? []
      : questions.list().map(({ requestId, title, options }) => ({ sessionId, boxId, requestId, title, options }));
  };
  // A task's box stands in its token, an iteration's in the log of its loop.
  const [boxId] = (session.resumeToken ?? "").split("/");
  if (boxId !== undefined && boxId !== "") boxes.set(session.id, boxId);
  const questions = await take(session.id);
  for (const { id } of await store.list({ parentId: session.id })) questions.push(...(await take(id)));
  return questions;
}
