import { describe, expect, it } from "vitest";
import type { BackendContext } from "../backend.ts";
import { createIterableBackend } from "./iterable-backend.ts";

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
