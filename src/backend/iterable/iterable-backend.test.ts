import { describe, expect, it } from "vitest";
import type { BackendContext } from "../backend.ts";
import { testBackend } from "../../testing/test-backend.ts";
import { createIterableBackend } from "./iterable-backend.ts";

testBackend({
  name: "any iterable",
  hello: () =>
    createIterableBackend("hello", function* () {
      yield { type: "text.delta", text: "hello" };
    }),
  failing: () =>
    createIterableBackend("failing", function* () {
      yield { type: "text.delta", text: "he" };
      throw new Error("broken");
    }),
  endless: () =>
    createIterableBackend("endless", async function* (_input, { signal }) {
      yield { type: "text.delta", text: "on" };
      await new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      });
    }),
  remembering: () =>
    createIterableBackend("remembering", async function* (_input, context) {
      for await (const event of context.history())
        if (event.type === "run.started") yield { type: "text.delta", text: JSON.stringify(event.task) };
    }),
});

const context: BackendContext = {
  signal: new AbortController().signal,
  sessionId: "s",
  runId: "r",
  async *history() {},
};

describe("a backend of any iterable", () => {
  it("yields what the source yields, with the input and the context at hand", async () => {
    const backend = createIterableBackend("echo", async function* (input, { runId }) {
      yield { type: "text.delta", text: `${runId}: ${input.prompt}` };
    });
    expect(backend.kind).toBe("echo");
    const events: unknown[] = [];
    for await (const event of backend.stream({ prompt: "hi" }, context)) events.push(event);
    expect(events).toEqual([{ type: "text.delta", text: "r: hi" }]);
  });

  it("lets a generator clean up when it is left", async () => {
    let cleaned = false;
    const backend = createIterableBackend("endless", function* () {
      try {
        for (;;) yield { type: "text.delta", text: "again" };
      } finally {
        cleaned = true;
      }
    });
    for await (const event of backend.stream({ prompt: "" }, context)) if (event.type === "text.delta") break;
    expect(cleaned).toBe(true);
  });
});
