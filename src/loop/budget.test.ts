import { expect, it } from "vitest";
import type { Usage } from "../event/event.ts";
import { LoopAllowance } from "./budget.ts";

const open = (budget: ConstructorParameters<typeof LoopAllowance>[0]) => {
  let recorded: Usage = {};
  let elapsedMs = 0;
  const allowance = new LoopAllowance(
    budget,
    () => recorded,
    () => elapsedMs,
  );
  return {
    allowance,
    record: (usage: Usage) => (recorded = usage),
    pass: (ms: number) => (elapsedMs += ms),
  };
};

it("K11: what the turns in flight took counts until the log says it", () => {
  const { allowance, record } = open({ maxTokens: 10 });
  const first = allowance.beginTurn({});
  const second = allowance.beginTurn({ inputTokens: 2 });
  first?.spend({ inputTokens: 4, outputTokens: 1 }, true);
  expect(second?.refusal()).toBeUndefined();
  second?.spend({ inputTokens: 2, outputTokens: 1 }, true);
  expect(first?.refusal()).toMatchObject({ code: "budget_exhausted" });
  expect(second?.refusal()).toMatchObject({ code: "budget_exhausted" });
  expect(allowance.isExhausted).toBe(true);
  record({ inputTokens: 4, outputTokens: 1 });
  first?.close();
  expect(second?.refusal()).toMatchObject({ message: expect.stringContaining("maxTokens 10") as string });
  record({ inputTokens: 4 });
  second?.close();
  expect(allowance.isExhausted).toBe(false);
});

it("K11: time and cost are looked at before each call, too", () => {
  const { allowance, pass } = open({ maxDurationMs: 100, maxCostUsd: 1 });
  const turn = allowance.beginTurn({});
  turn?.spend({ costUsd: 0.9 }, true);
  expect(turn?.refusal()).toBeUndefined();
  pass(100);
  expect(turn?.refusal()).toMatchObject({ code: "budget_exhausted" });
});

it("K11: nothing can be asked in the name of a turn that is over", () => {
  const turn = open({ maxTokens: 10 }).allowance.beginTurn({});
  turn?.close();
  expect(turn?.refusal()).toMatchObject({ code: "budget_exhausted" });
});

it("K11: a call that reports nothing is refused a second one, and ends the loop; one that broke off is not", () => {
  const { allowance } = open({ maxTokens: 10 });
  const turn = allowance.beginTurn({});
  turn?.spend({}, false);
  expect(turn?.refusal()).toBeUndefined();
  turn?.spend({}, true);
  expect(turn?.refusal()).toMatchObject({ code: "budget_unmeasured" });
  expect(() => allowance.requireMeasured(undefined, "a")).toThrow(
    expect.objectContaining({ code: "budget_unmeasured" }),
  );
});

it("a loop without a budget holds nobody to anything", () => {
  expect(open({}).allowance.beginTurn({})).toBeUndefined();
});
