import type { JsonValue } from "../event/event.ts";
import type { Session, SessionStore } from "../store/session-store.ts";

/** What a task says that it is: its prompt, itself where it is a text, else its JSON. */
export function describeTask(task: JsonValue | undefined): string {
  if (task === undefined) return "";
  if (typeof task === "string") return task;
  const prompt = (task as { prompt?: JsonValue } | null)?.prompt;
  return typeof prompt === "string" ? prompt : JSON.stringify(task);
}

/** A session's label `title`, else the task of its first run. */
export async function readSessionTitle(store: SessionStore, session: Session): Promise<string> {
  const { title } = session.labels;
  if (title !== undefined) return title;
  for await (const event of store.read(session.id, { limit: 1 })) {
    if (event.type === "run.started") return describeTask(event.task);
  }
  return "";
}
