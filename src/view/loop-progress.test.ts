import { expect, it } from "vitest";
import type { EventBody, StoredEvent } from "../event/event.ts";
import { LoopProgress } from "./loop-progress.ts";

let seq = 0;
const stored = (sessionId: string, body: EventBody): StoredEvent => ({
  seq: ++seq,
  at: seq,
  sessionId,
  runId: "r",
  ...body,
});

it("an iteration that waits for an answer says what it asks, and then what it did before", () => {
  const loop = new LoopProgress("loop");
  loop.add(stored("loop", { type: "run.started", kind: "loop", task: "t" }));
  loop.add(
    stored("loop", {
      type: "iteration.started",
      index: 0,
      round: 0,
      iterationSessionId: "loop.0",
      agentRunName: "agent",
    }),
  );
  loop.add(stored("loop.0", { type: "tool.started", toolCallId: "t", toolName: "bash", title: "rm x" }));
  loop.add(
    stored("loop.0", {
      type: "permission.requested",
      requestId: "delete",
      title: "May I delete?",
      options: [{ optionId: "yes", name: "Yes" }],
    }),
  );
  expect(loop.iterations[0]?.activity).toBe("asks: May I delete?");
  loop.add(stored("loop.0", { type: "permission.answered", requestId: "delete", by: "someone" }));
  expect(loop.iterations[0]?.activity).toBe("rm x");
});
