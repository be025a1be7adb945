import { simulateReadableStream, tool } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { StoredEvent } from "../../event/event.ts";
import { streamTask } from "../../stream/stream-task.ts";
import { testBackend } from "../../testing/test-backend.ts";
import { createAiSdkBackend } from "./ai-sdk-backend.ts";

type Call = Parameters<MockLanguageModelV3["doStream"]>[0];
type Part = Record<string, unknown>;

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

/** A model of the SDK that answers each call by these parts. */
function modelOf(answer: (call: Call, count: number) => Part[] | ReadableStream<Part>): MockLanguageModelV3 {
  let count = 0;
  return new MockLanguageModelV3({
    modelId: "mock",
    doStream: async (call) => {
      const parts = answer(call, ++count);
      const stream = Array.isArray(parts)
        ? simulateReadableStream({ chunks: [{ type: "stream-start", warnings: [] }, ...parts] })
        : parts;
      return { stream } as never;
    },
  });
}

const endless = (call: Call): ReadableStream<Part> =>
  new ReadableStream({
    start(controller) {
      for (const part of say("on").slice(0, 2)) controller.enqueue(part);
      call.abortSignal?.addEventListener("abort", () => controller.error(call.abortSignal?.reason));
    },
  });

testBackend({
  name: "a model of the AI SDK",
  hello: () => createAiSdkBackend({ model: modelOf(() => [...say("hello"), finish("stop")]) }),
  failing: () =>
    createAiSdkBackend({ model: modelOf(() => [...say("he"), { type: "error", error: new Error("overloaded") }]) }),
  endless: () => createAiSdkBackend({ model: modelOf(endless) }),
  remembering: () =>
    createAiSdkBackend({ model: modelOf((call) => [...say(JSON.stringify(call.prompt.at(0))), finish("stop")]) }),
});

describe("a model of the AI SDK", () => {
  const run = async (options: Parameters<typeof createAiSdkBackend>[0]): Promise<StoredEvent[]> => {
    const events: StoredEvent[] = [];
    for await (const event of streamTask({ task: "do it", backend: createAiSdkBackend(options) })) events.push(event);
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
});
