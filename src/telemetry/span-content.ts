import type { JsonValue } from "../event/event.ts";
import { cutText } from "./open-span.ts";

/** Of a prompt, an answer, a tool's arguments or its result. */
const MAX_CONTENT = 32 * 1024;

/** A message as `gen_ai.input.messages` and `gen_ai.output.messages` hold it. */
export function toMessages(role: "user" | "assistant", text: string): string {
  return JSON.stringify([{ role, parts: [{ type: "text", content: cutText(text, MAX_CONTENT) }] }]);
}

export function toContent(value: JsonValue): string {
  return cutText(typeof value === "string" ? value : JSON.stringify(value), MAX_CONTENT);
}

/** The prompt of a run's task, where it has one in words. */
export function readPrompt(task: JsonValue): string | undefined {
  if (typeof task === "string") return task;
  const prompt = typeof task === "object" && task !== null && "prompt" in task ? task.prompt : undefined;
  return typeof prompt === "string" ? prompt : undefined;
}

/** The text since the last tool call, as far as it is recorded. */
export class LastWords {
  #text = "";

  add(text: string): void {
    if (this.#text.length < MAX_CONTENT) this.#text += text;
  }

  clear(): void {
    this.#text = "";
  }

  get text(): string {
    return this.#text;
  }
}
