import type { EventBody, JsonValue } from "../../event/event.ts";
import { AbortError, BackendError } from "../../errors.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Turns the parts of the SDK's stream into events. Fields are read by their names, because they differ a little between versions of the SDK. */
export class PartMapper {
  readonly #model: string;
  /** Calls that have not ended, with the names of their tools. */
  readonly #open = new Map<string, string>();

  constructor(model: string) {
    this.#model = model;
  }

  /** @throws BackendError `model_failed`, AbortError */
  *map(part: Fields): Generator<EventBody> {
    switch (part["type"]) {
      case "text-delta":
        yield* toDelta("text.delta", part);
        break;
      case "reasoning-delta":
        yield* toDelta("reasoning.delta", part);
        break;
      case "tool-call": {
        const [toolCallId, toolName] = namesOf(part);
        this.#open.set(toolCallId, toolName);
        yield { type: "tool.started", toolCallId, toolName, args: toJson(part["input"]) };
        break;
      }
      case "tool-result":
        if (part["preliminary"] !== true) yield* this.#end(part, "completed", part["output"]);
        break;
      case "tool-error":
        yield* this.#end(part, "failed", messageOf(part["error"]));
        break;
      case "finish-step":
        yield* this.#usage(part);
        break;
      case "abort":
        throw new AbortError("The run was aborted.");
      case "error":
        throw toError(part["error"], this.#model);
    }
  }

  /** Nothing more will come: a tool that never ended was interrupted. */
  *close(): Generator<EventBody> {
    for (const [toolCallId, toolName] of this.#open)
      yield { type: "tool.ended", toolCallId, toolName, status: "interrupted" };
    this.#open.clear();
  }

  *#end(part: Fields, status: "completed" | "failed", result: unknown): Generator<EventBody> {
    const [toolCallId, toolName] = namesOf(part);
    this.#open.delete(toolCallId);
    yield { type: "tool.ended", toolCallId, toolName, status, result: toJson(result) };
  }

  *#usage({ usage, response }: Fields): Generator<EventBody> {
    const { inputTokens, outputTokens, cachedInputTokens, inputTokenDetails } = (usage ?? {}) as Fields;
    const cached = cachedInputTokens ?? ((inputTokenDetails ?? {}) as Fields)["cacheReadTokens"];
    const counts = Object.entries({ inputTokens, outputTokens, cachedTokens: cached }).filter(
      ([, value]) => typeof value === "number" && Number.isFinite(value),
    );
    if (counts.length === 0) return;
    const { modelId } = (response ?? {}) as Fields;
    yield {
      type: "usage.reported",
      model: typeof modelId === "string" ? modelId : this.#model,
      ...(Object.fromEntries(counts) as Record<string, number>),
    };
  }
}

function* toDelta(type: "text.delta" | "reasoning.delta", part: Fields): Generator<EventBody> {
  const text = part["text"] ?? part["delta"];
  if (typeof text === "string" && text !== "") yield { type, text };
}

function namesOf(part: Fields): readonly [string, string] {
  return [String(part["toolCallId"]), String(part["toolName"])];
}

/** What a tool of this process gives back may be anything; what JSON cannot say is left out, as JSON leaves it out. */
function toJson(value: unknown): JsonValue {
  try {
    return (JSON.parse(JSON.stringify(value ?? null)) ?? null) as JsonValue;
  } catch {
    return String(value);
  }
}

function toError(error: unknown, model: string): Error {
  const { statusCode, isRetryable } = (error ?? {}) as { statusCode?: unknown; isRetryable?: unknown };
  const status = typeof statusCode === "number" ? ` (${statusCode})` : "";
  return new BackendError("model_failed", `The model ${model} failed${status}: ${messageOf(error)}`, {
    cause: error,
    ...(typeof isRetryable === "boolean" ? { retryable: isRetryable } : {}),
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : typeof error === "string" ? error : JSON.stringify(toJson(error));
}
