import { expect, it } from "vitest";
import type { EventBody, StoredEvent } from "../event/event.ts";
import { LoopProgress } from "./loop-progress.ts";
import { OpenQuestions } from "./open-questions.ts";

let seq = 0;
const stored = (body: EventBody, sessionId = "s"): StoredEvent => ({
  seq: ++seq,
  at: seq,
  sessionId,
  runId: "r",
  ...body,
});
const asked = (requestId: string): EventBody => ({
  type: "permission.requested",
  requestId,
  title: `May I ${requestId}?`,
  options: [{ optionId: "yes", name: "Yes" }],
});
const answered = (requestId: string): EventBody => ({ type: "permission.answered", requestId, by: "someone" });
const begun: EventBody = { type: "run.started", kind: "task", task: "t" };
const final: EventBody = { type: "final", status: "aborted", reason: "aborted", usage: {}, durationMs: 1 };

it("holds what is asked until it is answered, or the run is over", () => {
  const open = new OpenQuestions();
  const ids = (...bodies: EventBody[]): string[] => {
    for (const body of bodies) open.add(stored(body));
    return open.list().map(({ requestId }) => requestId);
  };
  expect(ids(begun, asked("a"), asked("b"))).toEqual(["a", "b"]);
  expect(ids(answered("a"))).toEqual(["b"]);
  expect(ids(answered("nobody"))).toEqual(["b"]);
  expect(ids(final)).toEqual([]);
  expect(ids(asked("c"), begun)).toEqual([]);
});

it("an iteration that waits for an answer says what it asks, and then what it did before", () => {
  const loop = new LoopProgress("loop");
  loop.add(stored({ type: "run.started", kind: "loop", task: "t" }, "loop"));
  loop.add(
    stored(
      { type: "iteration.started", index: 0, round: 0, iterationSessionId: "loop.0", agentRunName: "agent" },
      "loop",
    ),
  );
  loop.add(stored({ type: "tool.started", toolCallId: "t", toolName: "bash", title: "rm x" }, "loop.0"));
  loop.add(stored(asked("delete"), "loop.0"));
  expect(loop.iterations[0]?.activity).toBe("asks: May I delete?");
  loop.add(stored(answered("delete"), "loop.0"));
  expect(loop.iterations[0]?.activity).toBe("rm x");
});
