import { BackendError, ValidationError } from "../../errors.ts";
import type { EventBody } from "../../event/event.ts";
import { type ModelPrices, parseModelPrices } from "../../event/model-price.ts";
import { throwIfAborted } from "../../internal/abort.ts";
import type { Backend, BackendContext, BackendInput } from "../backend.ts";
import { toMessages } from "./conversation.ts";
import { PartMapper } from "./part-mapper.ts";

/**
 * A language model of the AI SDK (package `ai`), as its providers make them, or the name of one for the SDK's gateway.
 * Said by its shape, so that the types of this package need nothing of the SDK.
 *
 * @experimental
 */
export type AiSdkModel =
  | string
  | { readonly specificationVersion: string; readonly provider: string; readonly modelId: string };

/**
 * What is used of the package `ai`, said by its shape: versions 6 and 7 have it.
 *
 * @experimental
 */
export interface AiSdkModule {
  streamText(options: never): { readonly fullStream: AsyncIterable<object> };
  stepCountIs(count: number): unknown;
}

/** @experimental */
export interface AiSdkBackendOptions {
  readonly model: AiSdkModel;
  /** What the model is told before everything else. */
  readonly system?: string;
  /** Tools of the SDK, by their names; they run in this process. */
  readonly tools?: Readonly<Record<string, unknown>>;
  /** How many times the model may be asked in one run, with the results of its tools in between. Default 20. */
  readonly maxSteps?: number;
  /** The module `ai`, where it is not the one that this package finds by itself. */
  readonly sdk?: AiSdkModule;
  /** What models cost. Without a price the cost stays unknown. */
  readonly prices?: ModelPrices;
  /** Further settings of the SDK's `streamText`, such as `temperature`, `maxRetries` or `providerOptions`. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/**
 * Runs a task as one conversation with a model: what it says, thinks and calls becomes events as it comes, each step's tokens are reported.
 * A resumed session tells the model what was said before, as its log has it. It needs the package `ai`, loaded with the first run.
 *
 * @throws ValidationError `invalid_option`
 * @experimental
 */
export function createAiSdkBackend(options: AiSdkBackendOptions): Backend {
  const { model, system, tools, maxSteps = 20, settings = {} } = options;
  const prices = parseModelPrices(options.prices ?? {}, "prices of the backend");
  if (typeof model !== "string" && typeof model?.modelId !== "string") {
    throw new ValidationError(
      "invalid_option",
      'createAiSdkBackend needs a language model of the AI SDK, such as openai("…"), or the name of one.',
    );
  }
  if (!Number.isInteger(maxSteps) || maxSteps < 1)
    throw new ValidationError("invalid_option", "maxSteps is a whole number of at least 1.");
  const modelId = typeof model === "string" ? model : model.modelId;
  return {
    kind: "ai-sdk",
    async *stream(input: BackendInput, context: BackendContext): AsyncGenerator<EventBody, void, undefined> {
      const { signal } = context;
      const messages = await toMessages(context.history(), input);
      throwIfAborted(signal);
      const { streamText, stepCountIs } = options.sdk ?? (await load());
      const mapper = new PartMapper(modelId, prices);
      const result = streamText({
        ...settings,
        model,
        messages,
        ...(system === undefined ? {} : { system }),
        ...(tools === undefined ? {} : { tools }),
        stopWhen: stepCountIs(maxSteps),
        abortSignal: signal,
        // What goes wrong comes as a part of the stream; without this the SDK writes it to the console as well.
        onError: () => {},
      } as never);
      try {
        for await (const part of result.fullStream) yield* mapper.map(part as Readonly<Record<string, unknown>>);
        throwIfAborted(signal);
      } finally {
        yield* mapper.close();
      }
    },
  };
}

async function load(): Promise<AiSdkModule> {
  try {
    return await import("ai");
  } catch (cause) {
    throw new BackendError(
      "backend_failed",
      'The backend ai-sdk needs the package "ai", which is not installed; add it to your project.',
      { cause },
    );
  }
}
