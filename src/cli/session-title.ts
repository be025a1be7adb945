import type { Session, SessionStore } from "../store/session-store.ts";
import { describeTask } from "../view/describe-task.ts";

/** A session's label `title`, else the task of its first run. */
export async function readSessionTitle(store: SessionStore, session: Session): Promise<string> {
  const { title } = session.labels;
  if (title !== undefined) return title;
  for await (const event of store.read(session.id, { limit: 1 })) {
    if (event.type === "run.started") return describeTask(event.task);
  }
  return "";
}
