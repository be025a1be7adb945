import type { EventBody, JsonValue } from "../../event/event.ts";
import { AbortError, BackendError } from "../../errors.ts";
import type { ModelPrices } from "../../event/model-price.ts";
import { priceUsage } from "../../event/model-price.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Parts that say nothing by themselves: where something begins or ends, and that somebody is still there. */
const SILENT: ReadonlySet<unknown> = new Set([
  "start",
  "finish",
  "ping",
  "text-start",
  "text-end",
  "reasoning-start",
  "reasoning-end",
]);
/** What of a call has a field of its own in the event. */
const CALL_FIELDS: ReadonlySet<string> = new Set([
  "type",
  "toolCallId",
  "toolName",
  "title",
  "input",
  "output",
  "error",
  "preliminary",
  "providerMetadata",
]);

/**
 * Turns the parts of the SDK's stream into events. Fields are read by their names, because they differ a little between versions of the SDK.
 * What has no event of its own becomes `custom`: what a provider adds (`ai-sdk.metadata`), how a step ended (`ai-sdk.step`), sources, and whatever
 * is not known here, under its part's name.
 */
export class PartMapper {
  readonly #model: string;
  readonly #prices: ModelPrices;
  /** Calls that have not ended, with the names of their tools. */
  readonly #open = new Map<string, string>();
  /** What was written of calls that are not whole yet. */
  readonly #inputs = new Map<string, { readonly toolName: string; text: string }>();
  #files = 0;

  constructor(model: string, prices: ModelPrices = {}) {
    this.#model = model;
    this.#prices = prices;
  }

  /** @throws BackendError `model_failed`, AbortError */
  *map(part: Fields): Generator<EventBody> {
    const { type } = part;
    switch (type) {
      case "text-delta":
        yield* toDelta("text.delta", part);
        break;
      case "reasoning-delta":
        yield* toDelta("reasoning.delta", part);
        break;
      case "tool-input-start":
        this.#inputs.set(String(part["id"]), { toolName: String(part["toolName"]), text: "" });
        break;
      case "tool-input-delta": {
        const input = this.#inputs.get(String(part["id"]));
        if (input !== undefined && typeof part["delta"] === "string") input.text += part["delta"];
        break;
      }
      case "tool-input-end":
        break;
      case "tool-call":
        yield* this.#call(part);
        break;
      case "tool-result":
        if (part["preliminary"] === true) yield toCustom(part);
        else yield* this.#end(part, "completed", part["output"]);
        break;
      case "tool-error":
        yield* this.#end(part, "failed", messageOf(part["error"]));
        break;
      case "tool-output-denied":
        yield* this.#end(part, "failed", "It was not allowed.");
        break;
      case "file":
      case "reasoning-file":
        yield this.#file(part);
        break;
      case "start-step": {
        const { warnings } = part;
        if (Array.isArray(warnings) && warnings.length > 0)
          yield { type: "custom", name: "ai-sdk.warnings", data: toJson(warnings) };
        break;
      }
      case "finish-step":
        yield* this.#usage(part);
        yield { type: "custom", name: "ai-sdk.step", data: toStep(part) };
        return;
      case "abort":
        throw new AbortError("The run was aborted.");
      case "error":
        throw toError(part["error"], this.#model);
      default:
        if (SILENT.has(type)) break;
        yield toCustom(part);
        return;
    }
    yield* toMetadata(part);
  }

  /** Nothing more will come: a tool that never ended was interrupted, and a call that is not whole is kept as far as it came. */
  *close(): Generator<EventBody> {
    for (const [toolCallId, { toolName, text }] of this.#inputs)
      yield { type: "custom", name: "ai-sdk.tool-input", data: { toolCallId, toolName, text } };
    this.#inputs.clear();
    for (const [toolCallId, toolName] of this.#open)
      yield { type: "tool.ended", toolCallId, toolName, status: "interrupted" };
    this.#open.clear();
  }

  *#call(part: Fields): Generator<EventBody> {
    const [toolCallId, toolName] = namesOf(part);
    const { title } = part;
    this.#inputs.delete(toolCallId);
    this.#open.set(toolCallId, toolName);
    yield {
      type: "tool.started",
      toolCallId,
      toolName,
      ...(typeof title === "string" ? { title } : {}),
      args: toJson(part["input"]),
    };
    yield* toRest(part);
  }

  *#end(part: Fields, status: "completed" | "failed", result: unknown): Generator<EventBody> {
    const [toolCallId, toolName] = namesOf(part);
    this.#open.delete(toolCallId);
    yield { type: "tool.ended", toolCallId, toolName, status, result: toJson(result) };
    yield* toRest(part);
  }

  #file({ type, file }: Fields): EventBody {
    const { mediaType = "application/octet-stream", base64 = "" } = (file ?? {}) as {
      readonly mediaType?: string;
      readonly base64?: string;
    };
    const name = `${type === "file" ? "file" : "reasoning-file"}-${++this.#files}`;
    const data = mediaType.startsWith("text/")
      ? { content: Buffer.from(base64, "base64").toString("utf8") }
      : { uri: `data:${mediaType};base64,${base64}` };
    return { type: "artifact.created", name, mimeType: mediaType, ...data };
  }

  *#usage({ usage, response }: Fields): Generator<EventBody> {
    const { inputTokens, outputTokens, cachedInputTokens, inputTokenDetails } = (usage ?? {}) as Fields;
    const cached = cachedInputTokens ?? ((inputTokenDetails ?? {}) as Fields)["cacheReadTokens"];
    const counts = Object.fromEntries(
      Object.entries({ inputTokens, outputTokens, cachedTokens: cached }).filter(
        ([, value]) => typeof value === "number" && Number.isFinite(value),
      ),
    ) as Record<string, number>;
    if (Object.keys(counts).length === 0) return;
    const { modelId } = (response ?? {}) as Fields;
    const model = typeof modelId === "string" ? modelId : this.#model;
    const costUsd = priceUsage(counts, [model, this.#model], this.#prices);
    yield { type: "usage.reported", model, ...counts, ...(costUsd === undefined ? {} : { costUsd }) };
  }
}

function* toDelta(type: "text.delta" | "reasoning.delta", part: Fields): Generator<EventBody> {
  const text = part["text"] ?? part["delta"];
  if (typeof text === "string" && text !== "") yield { type, text };
}

/** What a provider says beside a part, such as the signature of a thought. */
function* toMetadata(part: Fields): Generator<EventBody> {
  const { type, id, toolCallId, providerMetadata } = part;
  if (typeof providerMetadata !== "object" || providerMetadata === null) return;
  if (Object.keys(providerMetadata).length === 0) return;
  const of = toolCallId ?? id;
  yield {
    type: "custom",
    name: "ai-sdk.metadata",
    data: { part: String(type), ...(of === undefined ? {} : { id: String(of) }), metadata: toJson(providerMetadata) },
  };
}

/** What a call or its end says beyond the fields of the event: that the provider ran it, that it was not valid, and so on. */
function* toRest(part: Fields): Generator<EventBody> {
  const rest = Object.entries(part).filter(
    ([name, value]) =>
      value !== undefined &&
      value !== false &&
      (!CALL_FIELDS.has(name) || (name === "error" && part["invalid"] === true)),
  );
  if (rest.length === 0) return;
  const [toolCallId] = namesOf(part);
  yield toCustom({ type: part["type"], toolCallId, ...Object.fromEntries(rest) });
}

/** How a step ended. Its request and the headers of its answer are left out: they may hold keys, and the whole conversation once more. */
function toStep({ finishReason, rawFinishReason, usage, providerMetadata, response }: Fields): JsonValue {
  const { id, modelId, timestamp } = (response ?? {}) as Fields;
  return toJson({ finishReason, rawFinishReason, usage, providerMetadata, response: { id, modelId, timestamp } });
}

function toCustom({ type, ...data }: Fields): EventBody {
  return { type: "custom", name: `ai-sdk.${String(type)}`, data: toJson(data) };
}

function namesOf(part: Fields): readonly [string, string] {
  return [String(part["toolCallId"]), String(part["toolName"])];
}

/** What a tool of this process gives back may be anything; what JSON cannot say is left out, as JSON leaves it out, and an error says its message. */
function toJson(value: unknown): JsonValue {
  const withErrors = (_key: string, item: unknown): unknown =>
    item instanceof Error ? { name: item.name, message: item.message } : item;
  try {
    return (JSON.parse(JSON.stringify(value ?? null, withErrors)) ?? null) as JsonValue;
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
