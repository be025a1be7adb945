import { describe, expect, it } from "vitest";
import type { Edit } from "../edits/edit.ts";
import { CandidateQueue } from "./candidate-queue.ts";
import { isExecuted, type CoveredFunction } from "./read-coverage.ts";
import { type Spectrum, toSuspicion } from "./suspicion.ts";

/** `outer` from 0 to 100 with a function `inner` from 40 to 60, and a branch from 70 to 80 that did not run. */
const OUTER: CoveredFunction = [
  [0, 100, 1],
  [70, 80, 0],
];

const toEdit = (start: number, functionEnd?: number, line = 1): Edit => ({
  start,
  end: start + 1,
  text: "x",
  kind: "comparison",
  prior: 1,
  file: "lib/a.js",
  line,
  key: `${start}`,
  ...(functionEnd === undefined ? { declares: ["table"] } : { functionEnd }),
});

describe("isExecuted", () => {
  it("goes by the innermost block, and lets no function answer for one inside it that was not called", () => {
    expect(isExecuted([OUTER], 10, 100)).toBe(true);
    expect(isExecuted([OUTER], 75, 100)).toBe(false);
    expect(isExecuted([OUTER], 50, 60)).toBe(false);
    expect(isExecuted([OUTER, [[40, 60, 2]]], 50, 60)).toBe(true);
  });
});

describe("toSuspicion", () => {
  const test = (name: string, failed: boolean, functions: readonly CoveredFunction[]): Spectrum["tests"][number] => ({
    name,
    failed,
    files: new Map([["lib/a.js", functions]]),
  });
  const inner: CoveredFunction = [[40, 60, 1]];
  const sources = new Map([["lib/a.js", `${"function outer() {".padEnd(45)}table${" ".repeat(60)}`]]);

  it("suspects what failing tests execute, the more so the fewer passing ones do", () => {
    const suspicion = toSuspicion(
      { tests: [test("f", true, [OUTER, inner]), test("p", false, [OUTER])], frames: new Set() },
      sources,
    );
    expect(suspicion(toEdit(50, 60))).toBe(1);
    expect(suspicion(toEdit(10, 100))).toBeGreaterThan(0);
    expect(suspicion(toEdit(10, 100))).toBeLessThan(1);
    expect(suspicion(toEdit(75, 100))).toBe(0);
  });

  it("suspects a declaration as much as the code that uses it", () => {
    const suspicion = toSuspicion({ tests: [test("f", true, [OUTER, inner])], frames: new Set() }, sources);
    expect(suspicion(toEdit(200))).toBeGreaterThan(0.5);
  });

  it("suspects all code alike where it is not known what ran, and the lines of a stack trace before others", () => {
    const suspicion = toSuspicion({ tests: [], frames: new Set(["lib/a.js:7"]) }, sources);
    expect(suspicion(toEdit(10, 100))).toBe(suspicion(toEdit(50, 60)));
    expect(suspicion(toEdit(10, 100, 7))).toBeGreaterThan(suspicion(toEdit(10, 100)));
  });
});

describe("CandidateQueue", () => {
  const rank = (start: number, line: number, score: number) => ({
    edit: toEdit(start, 100, line),
    score,
    suspicion: 1,
  });

  it("turns to another line when the tests do not notice the edits of one", () => {
    const queue = new CandidateQueue([rank(1, 1, 1), rank(2, 1, 0.95), rank(3, 2, 0.9)], []);
    const first = queue.next();
    expect(first?.edit.start).toBe(1);
    queue.learn(first?.edit as Edit, "none");
    expect(queue.next()?.edit.start).toBe(3);
    expect(queue.next()?.edit.start).toBe(2);
    expect(queue.next()).toBeUndefined();
  });

  it("knows what earlier turns learnt", () => {
    const tried = {
      number: 1,
      file: "lib/a.js",
      line: 1,
      title: "",
      key: "",
      state: "",
      outcome: "no-better",
      effect: "broke",
    } as const;
    expect(new CandidateQueue([rank(1, 1, 1), rank(3, 2, 0.9)], [tried]).next()?.edit.start).toBe(3);
  });
});
