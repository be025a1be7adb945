import type { JsonValue } from "../event/event.ts";

/** What a task says that it is: its prompt, itself where it is a text, else its JSON. */
export function describeTask(task: JsonValue | undefined): string {
  if (task === undefined) return "";
  if (typeof task === "string") return task;
  const prompt = (task as { prompt?: JsonValue } | null)?.prompt;
  return typeof prompt === "string" ? prompt : JSON.stringify(task);
}
