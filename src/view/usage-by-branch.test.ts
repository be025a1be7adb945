import { expect, it } from "vitest";
import type { StoredEvent } from "../event/event.ts";
import { foldUsageByModel, niceCeiling, sumByModel, totalOf } from "./usage-by-branch.ts";

const report = (fields: object): StoredEvent => ({
  seq: 1,
  at: 0,
  sessionId: "s",
  runId: "r",
  type: "usage.reported",
  ...fields,
});

it("L10: what no report names stays unknown, by model and in all", () => {
  const models = foldUsageByModel([
    report({ model: "a", inputTokens: 3, costUsd: 0.5 }),
    report({ model: "b", outputTokens: 4 }),
    report({ model: "a", inputTokens: 2 }),
    report({ costUsd: 1 }),
  ]);
  expect({ ...models }).toEqual({ a: { inputTokens: 5, costUsd: 0.5 }, b: { outputTokens: 4 }, "": { costUsd: 1 } });
  expect(totalOf(models)).toEqual({ inputTokens: 5, outputTokens: 4, costUsd: 1.5 });
  expect(totalOf({})).toEqual({});
  expect({ ...sumByModel([models, models]) }["b"]).toEqual({ outputTokens: 8 });
});

it("a model may have any name", () => {
  expect(Object.keys(foldUsageByModel([report({ model: "__proto__", costUsd: 1 })]))).toEqual(["__proto__"]);
});

it("a scale ends at a round figure", () => {
  expect([0, 0.03, 1, 1.2, 7, 180, 1000].map(niceCeiling)).toEqual([1, 0.05, 1, 2, 10, 200, 1000]);
});
