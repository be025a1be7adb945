import type { JsonValue, StoredEvent } from "../../event/event.ts";
import { UiMessageProjection } from "./ui-message-projection.ts";
import type { UiMessageChunk } from "./ui-message-projection.ts";

/** A message as the AI SDK keeps it (`UIMessage` of `ai` 6 and 7). */
export interface UiMessage {
  readonly id: string;
  readonly role: "user" | "assistant";
  readonly metadata?: JsonValue;
  readonly parts: readonly UiMessagePart[];
}

type UiMessagePart = { readonly type: string } & { readonly [key: string]: JsonValue };
type OpenPart = { type: string } & { [key: string]: JsonValue };

/**
 * One run as the message that a `Chat` of the AI SDK has once it has read the run's stream: the same chunks, put together here instead of there,
 * so that what a page loads and what it has followed are the same.
 */
export class UiMessageFold {
  readonly #projection = new UiMessageProjection();
  readonly #parts: OpenPart[] = [];
  readonly #texts = new Map<string, OpenPart & { text: string }>();
  /** By id: a tool that is called twice under one id is found by its last call. */
  readonly #tools = new Map<string, OpenPart>();
  readonly #data = new Map<string, OpenPart>();
  #metadata: { [key: string]: JsonValue } = {};

  add(event: StoredEvent): void {
    for (const chunk of this.#projection.push(event)) this.#take(chunk);
  }

  toMessage(runId: string): UiMessage {
    return { id: runId, role: "assistant", metadata: this.#metadata, parts: this.#parts };
  }

  #take(chunk: UiMessageChunk): void {
    switch (chunk.type) {
      case "start":
      case "finish":
        this.#metadata = { ...this.#metadata, ...(chunk.messageMetadata as { [key: string]: JsonValue }) };
        return;
      case "start-step":
        this.#parts.push({ type: "step-start" });
        return;
      case "text-start":
      case "reasoning-start": {
        const isText = chunk.type === "text-start";
        const part = { type: isText ? "text" : "reasoning", text: "", state: "streaming" };
        this.#parts.push(part);
        this.#texts.set(chunk.id, part);
        return;
      }
      case "text-delta":
      case "reasoning-delta": {
        const part = this.#texts.get(chunk.id);
        if (part !== undefined) part.text += chunk.delta;
        return;
      }
      case "text-end":
      case "reasoning-end": {
        const part = this.#texts.get(chunk.id);
        if (part !== undefined) part["state"] = "done";
        return;
      }
      case "tool-input-available": {
        const { toolCallId, toolName, input, title } = chunk;
        const known = this.#tools.get(toolCallId);
        const part = known ?? { type: "dynamic-tool", toolName, toolCallId };
        Object.assign(part, { toolName, state: "input-available", input, providerExecuted: true });
        if (title !== undefined) part["title"] = title;
        delete part["output"];
        delete part["errorText"];
        if (known === undefined) this.#parts.push(part);
        this.#tools.set(toolCallId, part);
        return;
      }
      case "tool-output-available":
        Object.assign(this.#tools.get(chunk.toolCallId) ?? {}, { state: "output-available", output: chunk.output });
        return;
      case "tool-output-error":
        Object.assign(this.#tools.get(chunk.toolCallId) ?? {}, { state: "output-error", errorText: chunk.errorText });
        return;
      case "finish-step":
      case "error":
      case "abort":
        return;
      default: {
        const { type, id, data } = chunk;
        const key = `${type} ${id ?? ""}`;
        const known = id === undefined ? undefined : this.#data.get(key);
        if (known !== undefined) {
          known["data"] = data;
          return;
        }
        const part: OpenPart = { type, ...(id === undefined ? {} : { id }), data };
        this.#parts.push(part);
        this.#data.set(key, part);
      }
    }
  }
}
