import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EVENT_TYPES, findEventFault, fitsSchema } from "./event-schema.ts";
import { hasQuickShape } from "./quick-shape.ts";

const FIELDS = [
  "kind",
  "task",
  "continues",
  "backend",
  "resumeToken",
  "text",
  "model",
  "inputTokens",
  "outputTokens",
  "cachedTokens",
  "costUsd",
  "name",
  "data",
  "status",
  "reason",
  "error",
  "suppressed",
  "usage",
  "durationMs",
  "round",
  "tasks",
  "index",
  "iterationSessionId",
  "agentRunName",
  "valid",
  "score",
  "decision",
  "boxId",
  "other",
];

const value = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("task", "loop", "completed", "aborted", "interrupted", "") },
  { weight: 2, arbitrary: fc.string() },
  { weight: 4, arbitrary: fc.constantFrom<unknown>(0, 1, -1, 1.5, 2 ** 53, 1e308, null, true, false) },
  { weight: 2, arbitrary: fc.constantFrom<unknown>({}, [], { inputTokens: 1 }, { inputTokens: -1 }, { costUsd: "1" }) },
  { weight: 1, arbitrary: fc.jsonValue() },
);
const body = fc.dictionary(fc.constantFrom(...FIELDS), value, { minKeys: 1, maxKeys: 29 });

describe("the quick look at an event", () => {
  it("never takes what the schema would refuse", () => {
    fc.assert(
      fc.property(fc.constantFrom(...EVENT_TYPES), body, (type, fields) => {
        const event = { ...fields, type };
        if (hasQuickShape(type, event)) expect(fitsSchema(type, event)).toBe(true);
        expect(findEventFault(event) === undefined).toBe(fitsSchema(type, event));
      }),
      { numRuns: 3000 },
    );
  });

  it("takes what a run without a fault is made of", () => {
    const events: readonly (readonly [string, object])[] = [
      ["run.started", { kind: "task", task: { prompt: "do" } }],
      ["session.created", { backend: "box" }],
      ["text.delta", { text: "a" }],
      ["custom", { name: "a", data: null }],
      ["final", { status: "completed", reason: "completed", usage: { inputTokens: 1 }, durationMs: 3 }],
      ["iteration.ended", { index: 0, status: "completed", usage: {} }],
      ["decision.made", { round: 0, decision: null }],
    ];
    for (const [type, fields] of events) expect([type, hasQuickShape(type, fields)]).toEqual([type, true]);
  });
});
