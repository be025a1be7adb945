import * as ai6 from "ai";
import { MockLanguageModelV3 } from "ai/test";
import * as ai7 from "ai7";
import { MockLanguageModelV4 } from "ai7/test";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { StoredEvent } from "../../event/event.ts";
import { streamTask } from "../../stream/stream-task.ts";
import { testBackend } from "../../testing/test-backend.ts";
import type { AiSdkBackendOptions, AiSdkModel } from "./ai-sdk-backend.ts";
import { createAiSdkBackend } from "./ai-sdk-backend.ts";

interface Call {
  readonly prompt: readonly unknown[];
  readonly abortSignal?: AbortSignal | undefined;
}
type Part = Record<string, unknown>;
type Answer = (call: Call, count: number) => Part[] | ReadableStream<Part>;
type TestModel = Exclude<AiSdkModel, string> & { readonly doStreamCalls: readonly unknown[] };

/** The SDK's versions that are supported, each with a model of its own kind. */
const VERSIONS = [
  { name: "ai 6", sdk: ai6, tool: ai6.tool, Model: MockLanguageModelV3 },
  { name: "ai 7", sdk: ai7, tool: ai7.tool as unknown as typeof ai6.tool, Model: MockLanguageModelV4 },
] as const;

const usage = {
  inputTokens: { total: 7, noCache: 5, cacheRead: 2, cacheWrite: 0 },
  outputTokens: { total: 3, text: 3, reasoning: 0 },
};
const finish = (reason: string): Part => ({ type: "finish", finishReason: { unified: reason, raw: reason }, usage });
const say = (text: string): Part[] => [
  { type: "text-start", id: "t" },
  ...[...text].map((delta) => ({ type: "text-delta", id: "t", delta })),
  { type: "text-end", id: "t" },
];

const endless = (call: Call): ReadableStream<Part> =>
  new ReadableStream({
    start(controller) {
      for (const part of say("on").slice(0, 2)) controller.enqueue(part);
      call.abortSignal?.addEventListener("abort", () => controller.error(call.abortSignal?.reason));
    },
  });

describe.each(VERSIONS)("with $name", ({ name, sdk, tool, Model }) => {
  /** A model of the SDK that answers each call by these parts. */
  const modelOf = (answer: Answer): TestModel => {
    let count = 0;
    const doStream = async (call: Call): Promise<never> => {
      const parts = answer(call, ++count);
      const stream = Array.isArray(parts)
        ? ai6.simulateReadableStream({ chunks: [{ type: "stream-start", warnings: [] }, ...parts] })
        : parts;
      return { stream } as never;
    };
    return new Model({ modelId: "mock", doStream });
  };
  const create = (options: AiSdkBackendOptions): ReturnType<typeof createAiSdkBackend> =>
    createAiSdkBackend({ ...options, sdk });

  testBackend({
    name: `a model of ${name}`,
    hello: () => create({ model: modelOf(() => [...say("hello"), finish("stop")]) }),
    failing: () => create({ model: modelOf(() => [...say("he"), { type: "error", error: new Error("overloaded") }]) }),
    endless: () => create({ model: modelOf(endless) }),
    remembering: () =>
      create({ model: modelOf((call) => [...say(JSON.stringify(call.prompt.at(0))), finish("stop")]) }),
  });

  describe(`a model of ${name}`, () => {
    const run = async (options: AiSdkBackendOptions): Promise<StoredEvent[]> => {
      const events: StoredEvent[] = [];
      for await (const event of streamTask({ task: "do it", backend: create(options) })) events.push(event);
      return events;
    };
    const call = { type: "tool-call", toolCallId: "c1", toolName: "add", input: '{"a":1}' };

    it("calls tools of this process, and reports each step's tokens", async () => {
      const model = modelOf((_call, count) =>
        count === 1 ? [call, finish("tool-calls")] : [...say("2"), finish("stop")],
      );
      const add = tool({ inputSchema: z.object({ a: z.number() }), execute: async ({ a }) => ({ sum: a + 1 }) });
      const events = await run({ model, tools: { add } });
      expect(events).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ type: "tool.started", toolCallId: "c1", toolName: "add", args: { a: 1 } }),
          expect.objectContaining({ type: "tool.ended", toolCallId: "c1", status: "completed", result: { sum: 2 } }),
        ]),
      );
      expect(events.filter(({ type }) => type === "usage.reported").length).toBe(2);
      expect(events.at(-1)).toMatchObject({
        status: "completed",
        text: "2",
        usage: { inputTokens: 14, outputTokens: 6, cachedTokens: 4 },
      });
    });

    it("tells a tool that throws from one that works, and goes on", async () => {
      const model = modelOf((_call, count) =>
        count === 1 ? [call, finish("tool-calls")] : [...say("well"), finish("stop")],
      );
      const add = tool({
        inputSchema: z.object({ a: z.number() }),
        execute: async (): Promise<string> => {
          throw new Error("cannot add");
        },
      });
      const events = await run({ model, tools: { add } });
      expect(events).toContainEqual(
        expect.objectContaining({ type: "tool.ended", status: "failed", result: "cannot add" }),
      );
      expect(events.at(-1)).toMatchObject({ status: "completed", text: "well" });
    });

    it("asks a model no more often than it may", async () => {
      const model = modelOf(() => [call, finish("tool-calls")]);
      const add = tool({ inputSchema: z.object({ a: z.number() }), execute: async () => "again" });
      await run({ model, tools: { add }, maxSteps: 3 });
      expect(model.doStreamCalls.length).toBe(3);
    });

    it("says which model failed and with what", async () => {
      const model = modelOf(() => [{ type: "error", error: new Error("overloaded") }]);
      expect((await run({ model })).at(-1)).toMatchObject({
        status: "failed",
        error: { code: "model_failed", message: "The model mock failed: overloaded" },
      });
    });

    it("refuses what is no model", () => {
      expect(() => createAiSdkBackend({ model: {} as never })).toThrow(
        expect.objectContaining({ code: "invalid_option" }),
      );
      expect(() => createAiSdkBackend({ model: "m", maxSteps: 0 })).toThrow(
        expect.objectContaining({ code: "invalid_option" }),
      );
    });

    it("maps every part of a stream, and loses nothing that the model gave", async () => {
      const metadata = { provider: { signature: "s1" } };
      const source = { sourceType: "url", id: "u", url: "https://example.org/a", title: "A" };
      const model = modelOf(() => [
        { type: "reasoning-start", id: "r" },
        { type: "reasoning-delta", id: "r", delta: "hm" },
        { type: "reasoning-end", id: "r", providerMetadata: metadata },
        { type: "source", ...source },
        { type: "file", mediaType: "image/png", data: name === "ai 6" ? "AAEC" : { type: "data", data: "AAEC" } },
        ...say("hi"),
        { ...finish("length"), providerMetadata: { provider: { cache: 1 } } },
      ]);
      const events = await run({ model });
      const custom = Object.fromEntries(
        events.flatMap((event) => (event.type === "custom" ? [[event.name, event.data]] : [])),
      );
      expect(events).toContainEqual(expect.objectContaining({ type: "reasoning.delta", text: "hm" }));
      expect(events).toContainEqual(
        expect.objectContaining({
          type: "artifact.created",
          name: "file-1",
          mimeType: "image/png",
          uri: "data:image/png;base64,AAEC",
        }),
      );
      expect(custom).toMatchObject({
        "ai-sdk.metadata": { part: "reasoning-end", id: "r", metadata },
        "ai-sdk.source": source,
        "ai-sdk.step": {
          finishReason: "length",
          rawFinishReason: "length",
          usage: { inputTokenDetails: { noCacheTokens: 5 } },
          providerMetadata: { provider: { cache: 1 } },
        },
      });
    });

    it("keeps what was wrong with a call that the model got wrong, and a call that it did not finish", async () => {
      const add = tool({ inputSchema: z.object({ a: z.number() }), execute: async () => "never" });
      const wrong = modelOf((_call, count) =>
        count === 1 ? [{ ...call, input: '{"a":"x"}' }, finish("tool-calls")] : [...say("sorry"), finish("stop")],
      );
      const events = await run({ model: wrong, tools: { add } });
      expect(events).toContainEqual(
        expect.objectContaining({ type: "tool.ended", toolCallId: "c1", status: "failed" }),
      );
      expect(events).toContainEqual(
        expect.objectContaining({
          name: "ai-sdk.tool-call",
          data: expect.objectContaining({ toolCallId: "c1", invalid: true }) as unknown,
        }),
      );
      const cut = modelOf(() => [
        { type: "tool-input-start", id: "c2", toolName: "add" },
        { type: "tool-input-delta", id: "c2", delta: '{"a":' },
        { type: "error", error: new Error("cut off") },
      ]);
      expect(await run({ model: cut, tools: { add } })).toContainEqual(
        expect.objectContaining({
          name: "ai-sdk.tool-input",
          data: { toolCallId: "c2", toolName: "add", text: '{"a":' },
        }),
      );
    });

    it("L10: says the cost of a step where the model's price is given, and none where it is not", async () => {
      const model = modelOf(() => [...say("hi"), finish("stop")]);
      const prices = { mock: { inputUsd: 1_000_000, outputUsd: 2_000_000, cachedUsd: 500_000 } };
      // 5 fresh, 2 of the cache at half, 3 out at two.
      expect((await run({ model, prices })).at(-1)).toMatchObject({ usage: { costUsd: 5 + 1 + 6 } });
      const unknown = (await run({ model, prices: { other: { inputUsd: 1, outputUsd: 1 } } })).at(-1);
      expect(unknown?.type === "final" && "costUsd" in unknown.usage).toBe(false);
    });
  });
});
