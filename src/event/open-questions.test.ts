import { expect, it } from "vitest";
import type { EventBody, StoredEvent } from "./event.ts";
import { OpenQuestions } from "./open-questions.ts";

let seq = 0;
const stored = (body: EventBody): StoredEvent => ({
  seq: ++seq,
  at: seq,
  sessionId: "s",
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

it("holds what a box asked before its run was interrupted, once a run goes on with the same turn", () => {
  const open = new OpenQuestions();
  const ids = (body: EventBody, turn?: string): string[] => {
    open.add({ ...stored(body), ...(turn === undefined ? {} : { turn: { id: turn, seq: 1 } }) });
    return open.list().map(({ requestId }) => requestId);
  };
  const interrupted: EventBody = { ...final, status: "interrupted" };
  ids(begun);
  ids(asked("of the program"));
  expect(ids(asked("a"), "turn_1")).toEqual(["of the program", "a"]);
  expect(ids(interrupted)).toEqual([]);
  expect(ids(begun)).toEqual(["a"]);
  expect(ids({ type: "text.delta", text: "on" }, "turn_1")).toEqual(["a"]);
  expect(ids(interrupted)).toEqual([]);
  expect(ids(begun)).toEqual(["a"]);
  // Another prompt, or another box.
  expect(ids({ type: "text.delta", text: "anew" }, "turn_2")).toEqual([]);
  expect(ids(asked("b"), "turn_2")).toEqual(["b"]);
  expect(ids({ ...final, status: "failed" })).toEqual([]);
  expect(ids(begun)).toEqual([]);
});
