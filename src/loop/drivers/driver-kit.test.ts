import { describe, expect, it } from "vitest";
import { runRandomLoop } from "../../testing/driver/random-loop.ts";
import type { RandomLoop } from "../../testing/driver/random-loop.ts";
import { testDriver } from "../../testing/test-driver.ts";
import type { Driver } from "../loop-types.ts";
import { beam } from "./beam.ts";
import { dynamic } from "./dynamic.ts";
import { fanoutVote } from "./fanout-vote.ts";
import { fanout } from "./fanout.ts";
import { race } from "./race.ts";
import { randomK } from "./random-k.ts";
import { refine } from "./refine.ts";

const task = "mend it";

testDriver({
  name: "refine",
  task,
  create: () => refine<string, string>({ patience: 2, next: (first, { index }) => `${first} (after ${index})` }),
});
testDriver({ name: "fanout", task, create: () => fanout({ k: 3, rounds: 3 }), maxIterations: 9, maxBoxes: 4 });
testDriver({
  name: "fanout that prepares",
  task,
  create: () => fanout({ k: 3, rounds: 2, prepare: true }),
  maxIterations: 7,
  maxBoxes: 4,
});
testDriver({ name: "randomK", task, create: () => randomK(6), maxIterations: 6 });
testDriver({ name: "race", task, create: () => race(6), maxIterations: 6 });
testDriver({
  name: "beam",
  task,
  create: () => beam({ width: 2, branch: 3, depth: 4 }),
  maxIterations: 2 + 3 * 6,
  maxBoxes: 2 + 6,
});
testDriver({ name: "fanoutVote", task, create: () => fanoutVote({ k: 5 }), maxIterations: 5 });
testDriver({
  name: "fanoutVote with a judge",
  task,
  create: () => fanoutVote({ k: 5, judge: (candidates) => candidates.at(-1)?.index ?? 0 }),
  maxIterations: 5,
});
testDriver({
  name: "dynamic",
  task,
  maxIterations: 20,
  create: () =>
    dynamic({
      planner(first, history) {
        const best = history.find(({ verdict }) => verdict?.valid === true);
        if (best !== undefined) return { move: "select", index: best.index };
        if (history.length >= 12) return { move: "stop" };
        const from = history.length - 1;
        if (history.length % 4 === 0)
          return { move: "fanout", tasks: [first, `${first} in another way`, first], ...(from < 0 ? {} : { from }) };
        return { move: "refine", from, rationale: "not there yet" };
      },
    }),
});
testDriver({
  name: "one that goes on until something is valid",
  task,
  maxIterations: "unbounded",
  create: () => ({
    plan: (first, history) => Array.from({ length: history.length + 1 }, () => first),
    decide: (history) => (history.some(({ verdict }) => verdict?.valid === true) ? "done" : "on"),
  }),
});

const decides = { decide: (): string => "on" };
let asked = 0;

const WRONG: readonly (readonly [string, Partial<Driver<string, string, unknown>>, RegExp])[] = [
  ["counts its own calls", { plan: () => [`${++asked}`] }, /in another way when it is asked again/],
  ["remembers when it was made", {}, /in another way, with a driver that was made anew/],
  ["plans something that is not JSON", { plan: () => [new Date(0) as unknown as string] }, /JSON/],
  [
    "changes the history",
    { plan: (first, history) => (((history as unknown[]).length = 0), [first]) },
    /changed the history/,
  ],
  [
    "names a parent that there is not",
    { plan: (first) => ({ tasks: [first], parentIndex: 7 }) },
    /names the iteration 7/,
  ],
  ["keeps what there is not", { plan: (first) => ({ tasks: [first], keep: [0] }) }, /names the iteration 0/],
  [
    "names two parents for one task",
    { plan: (first, { length }) => (length === 0 ? [first] : { tasks: [first], parentIndex: [0, 0] }) },
    /2 parents for 1 task/,
  ],
  ["decides nothing", { decide: () => undefined }, /always decides/],
  [
    "names a parent and is independent",
    { independent: true, plan: (first, { length }) => (length === 0 ? [first] : { tasks: [first], parentIndex: 0 }) },
    /names no parents/,
  ],
];

const LOOP: RandomLoop = {
  outcomes: [{ kind: "judged", output: 0, verdict: { valid: false, score: 0 } }],
  validator: true,
  lineage: undefined,
};

describe("the kit of drivers", () => {
  it.each(WRONG)("K10: catches a driver that %s", async (what, driver, complaint) => {
    const create = (): Driver<string, string, unknown> => ({
      plan: (first) => [first],
      ...decides,
      ...driver,
      ...(what.startsWith("remembers") ? madeAnew() : {}),
    });
    await expect(runRandomLoop({ name: what, task, create, maxIterations: 3 }, LOOP)).rejects.toThrow(complaint);
  });

  it("K7: catches a driver that names a parent whose box it let go", async () => {
    const create = (): Driver<string, string, unknown> => ({
      namesParents: true,
      plan: (first, { length }) =>
        length === 0 ? [first, first] : { tasks: [first, first], parentIndex: length === 2 ? 1 : 0, keep: [1] },
      ...decides,
    });
    await expect(
      runRandomLoop({ name: "forgetful", task, create }, { ...LOOP, lineage: { forkFanout: true } }),
    ).rejects.toMatchObject({ code: "parent_gone" });
  });

  it("K11: sees a driver that does not end", async () => {
    const create = (): Driver<string, string, unknown> => ({ plan: (first) => [first], ...decides });
    expect(
      (await runRandomLoop({ name: "endless", task, create, maxIterations: 3 }, LOOP)).result.iterations.length,
    ).toBe(4);
  });
});

/** A policy that was made at different times gives different plans. */
function madeAnew(): Partial<Driver<string, string, unknown>> {
  const own = `${++asked}`;
  return { plan: () => [own] };
}
