import type { JsonValue, StoredEvent, StoredEventOf } from "../../event/event.ts";

/**
 * A piece of the UI message stream that the Vercel AI SDK reads (header `x-vercel-ai-ui-message-stream: v1`).
 * Source: `uiMessageChunkSchema` of `ai` 6 and 7, of which these are the types that runs have a use for.
 */
export type UiMessageChunk =
  | { readonly type: "start"; readonly messageId: string; readonly messageMetadata: JsonValue }
  | { readonly type: "start-step" | "finish-step" }
  | { readonly type: "text-start" | "text-end" | "reasoning-start" | "reasoning-end"; readonly id: string }
  | { readonly type: "text-delta" | "reasoning-delta"; readonly id: string; readonly delta: string }
  | {
      readonly type: "tool-input-available";
      readonly toolCallId: string;
      readonly toolName: string;
      readonly input: JsonValue;
      readonly title?: string;
      readonly providerExecuted: true;
      readonly dynamic: true;
    }
  | {
      readonly type: "tool-output-available";
      readonly toolCallId: string;
      readonly output: JsonValue;
      readonly providerExecuted: true;
      readonly dynamic: true;
    }
  | {
      readonly type: "tool-output-error";
      readonly toolCallId: string;
      readonly errorText: string;
      readonly providerExecuted: true;
      readonly dynamic: true;
    }
  | { readonly type: `data-${string}`; readonly id?: string; readonly data: JsonValue }
  | { readonly type: "error"; readonly errorText: string }
  | { readonly type: "abort" }
  | { readonly type: "finish"; readonly messageMetadata: JsonValue };

/**
 * One run as one assistant message. The chunks depend on the stored events and on nothing else, so that a replay is the same stream, byte for byte;
 * the message's id is the run's, so that a replay takes the place of what a reader has already.
 */
export class UiMessageProjection {
  #open: { readonly kind: "text" | "reasoning"; readonly id: string } | undefined;
  readonly #running = new Set<string>();
  readonly #questions = new Map<string, { readonly [key: string]: JsonValue }>();

  push(event: StoredEvent): UiMessageChunk[] {
    switch (event.type) {
      case "run.started": {
        const { sessionId, runId } = event;
        return [{ type: "start", messageId: runId, messageMetadata: { sessionId, runId } }, { type: "start-step" }];
      }
      case "text.delta":
      case "reasoning.delta": {
        if (event.text === "") return [];
        const kind = event.type === "text.delta" ? "text" : "reasoning";
        const chunks: UiMessageChunk[] = this.#open?.kind === kind ? [] : this.#close();
        if (this.#open === undefined) {
          this.#open = { kind, id: `${kind}-${event.seq}` };
          chunks.push({ type: `${kind}-start`, id: this.#open.id });
        }
        chunks.push({ type: `${kind}-delta`, id: this.#open.id, delta: event.text });
        return chunks;
      }
      case "tool.started": {
        const { toolCallId, toolName, args, title } = event;
        this.#running.add(toolCallId);
        return [
          ...this.#close(),
          {
            type: "tool-input-available",
            toolCallId,
            toolName,
            input: args ?? {},
            ...(title === undefined ? {} : { title }),
            providerExecuted: true,
            dynamic: true,
          },
        ];
      }
      case "tool.ended":
        return [...this.#close(), ...this.#endTool(event)];
      case "plan.updated":
        return [{ type: "data-plan", id: "plan", data: { entries: event.entries as unknown as JsonValue } }];
      case "permission.requested": {
        const { requestId, title, options, toolCallId } = event;
        const question = {
          requestId,
          title,
          options: options as unknown as JsonValue,
          ...(toolCallId === undefined ? {} : { toolCallId }),
        };
        this.#questions.set(requestId, question);
        return [{ type: "data-permission", id: requestId, data: question }];
      }
      case "permission.answered": {
        const { requestId, optionId, by } = event;
        const data = { ...this.#questions.get(requestId), requestId, answer: optionId ?? null, by };
        return [{ type: "data-permission", id: requestId, data }];
      }
      case "artifact.created": {
        const { name, mimeType, uri, blob, seq } = event;
        const data = {
          name,
          seq,
          ...(mimeType === undefined ? {} : { mimeType }),
          ...(uri === undefined ? {} : { uri }),
          ...(blob === undefined ? {} : { blob: { digest: blob.digest, size: blob.size } }),
        };
        return [{ type: "data-artifact", id: `artifact-${seq}`, data }];
      }
      case "custom":
        return [{ type: "data-custom", id: `custom-${event.seq}`, data: { name: event.name, data: event.data } }];
      case "final":
        return this.#finish(event);
      default:
        return [];
    }
  }

  #close(): UiMessageChunk[] {
    if (this.#open === undefined) return [];
    const { kind, id } = this.#open;
    this.#open = undefined;
    return [{ type: `${kind}-end`, id }];
  }

  #endTool({ toolCallId, status, result }: StoredEventOf<"tool.ended">): UiMessageChunk[] {
    if (!this.#running.delete(toolCallId)) return [];
    const tool = { toolCallId, providerExecuted: true, dynamic: true } as const;
    if (status === "completed") return [{ type: "tool-output-available", ...tool, output: result ?? null }];
    const said = typeof result === "string" ? result : result === undefined ? "" : JSON.stringify(result);
    return [{ type: "tool-output-error", ...tool, errorText: said === "" ? status : said }];
  }

  #finish(event: StoredEventOf<"final">): UiMessageChunk[] {
    const { status, reason, error, usage } = event;
    const chunks = this.#close();
    for (const toolCallId of this.#running)
      chunks.push({
        type: "tool-output-error",
        toolCallId,
        errorText: "interrupted",
        providerExecuted: true,
        dynamic: true,
      });
    this.#running.clear();
    chunks.push({ type: "finish-step" });
    if (status === "aborted") return [...chunks, { type: "abort" }];
    if (status !== "completed")
      return [...chunks, { type: "error", errorText: error?.message ?? `${status}: ${reason}` }];
    return [...chunks, { type: "finish", messageMetadata: { status, reason, usage: { ...usage } } }];
  }
}

/** A chunk as it goes over the wire. */
export function toChunkFrame(chunk: UiMessageChunk): string {
  return `data: ${JSON.stringify(chunk)}\n\n`;
}

/** What stands at the end of the stream. */
export const DONE_FRAME = "data: [DONE]\n\n";
