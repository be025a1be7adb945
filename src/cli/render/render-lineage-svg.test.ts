import { describe, expect, it } from "vitest";
import type { StoredEvent } from "../../event/event.ts";
import { layOutLineage } from "../../view/lineage-layout.ts";
import type { IterationProgress } from "../../view/loop-progress.ts";
import { LoopProgress } from "../../view/loop-progress.ts";
import { renderLineageSvg } from "./render-lineage-svg.ts";

const HOSTILE = '</title></svg><script>alert("1")</script> & \u0007\u001b[31mred\uD800';

/** One iteration that was continued, then forked in two, of which the second wins. */
const LOOP: object[] = [
  { type: "run.started", kind: "loop", task: { prompt: "mend" } },
  {
    type: "loop.started",
    driver: "mixed <x>",
    agentRunNames: ["repair"],
    fingerprint: "f",
    maxIterations: 6,
    maxConcurrency: 2,
  },
  { type: "round.planned", round: 0, tasks: ["a"] },
  { type: "box.created", boxId: "b0", index: 0 },
  { type: "iteration.started", index: 0, round: 0, iterationSessionId: "it0", agentRunName: HOSTILE, boxId: "b0" },
  { type: "verdict.given", index: 0, valid: false, score: 0.5, notes: HOSTILE },
  { type: "iteration.ended", index: 0, status: "completed", usage: { inputTokens: 1000, costUsd: 0.02 } },
  { type: "round.planned", round: 1, tasks: ["b"] },
  { type: "box.continued", boxId: "b0", index: 1, from: 0 },
  {
    type: "iteration.started",
    index: 1,
    round: 1,
    iterationSessionId: "it1",
    agentRunName: "repair",
    parentIndex: 0,
    boxId: "b0",
  },
  {
    type: "iteration.ended",
    index: 1,
    status: "failed",
    usage: {},
    error: { name: "BackendError", message: HOSTILE, kind: "backend" },
  },
  { type: "round.planned", round: 2, tasks: ["c", "d"] },
  { type: "box.forked", boxId: "b1", from: "b0", mode: "memory", index: 2 },
  { type: "box.forked", boxId: "b2", from: "b0", mode: "files", index: 3 },
  {
    type: "iteration.started",
    index: 2,
    round: 2,
    iterationSessionId: "it2",
    agentRunName: "repair",
    parentIndex: 1,
    boxId: "b1",
  },
  {
    type: "iteration.started",
    index: 3,
    round: 2,
    iterationSessionId: "it3",
    agentRunName: "repair",
    parentIndex: 1,
    boxId: "b2",
  },
  { type: "verdict.given", index: 2, valid: false, score: 0.25 },
  { type: "verdict.given", index: 3, valid: true, score: 1 },
  { type: "iteration.ended", index: 2, status: "completed", usage: {} },
  { type: "iteration.ended", index: 3, status: "completed", usage: {} },
  { type: "custom", name: "loop.winner", data: { iterationIndex: 3 } },
  { type: "final", status: "completed", reason: "done", usage: {}, durationMs: 5000 },
];

function progressOf(bodies: readonly object[]): LoopProgress {
  const progress = new LoopProgress("loop1");
  for (const [index, body] of bodies.entries())
    progress.add({ seq: index + 1, at: index * 1000, runId: "r", ...body, sessionId: "loop1" } as StoredEvent);
  return progress;
}

const draw = (bodies: readonly object[]): string =>
  renderLineageSvg(progressOf(bodies), { title: `loop1 · ${HOSTILE}`, now: 99_000 });

/** The texts of the picture, in order. */
const textsOf = (svg: string): string[] =>
  [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map((match) => match[1] as string);

describe("the lineage as a picture", () => {
  it("has a card for each iteration with its score, box, time and cost, and marks the winner", () => {
    const texts = textsOf(draw(LOOP));
    expect(texts.slice(2, 5)).toEqual(["round 0", "round 1", "round 2"]);
    expect(texts.slice(5, 9)).toEqual(["#0", "0.50", "new box · 2.0 s", expect.any(String)]);
    expect(texts.slice(9)).toEqual([
      ...["#1", "failed", "same box · 1.0 s", "repair"],
      ...["#2", "0.25", "fork (memory) · 4.0 s", "repair"],
      ...["#3", "winner", "1.00", "fork (files) · 4.0 s", "repair"],
      ...["same box", "fork (memory)", "fork (files)"],
    ]);
    expect(draw(LOOP).match(/<polygon/g)).toHaveLength(1);
  });

  it("draws a line to each parent, strong where the box is the same and dashed where only files are", () => {
    const edges = [
      ...draw(LOOP).matchAll(
        /<path d="M[^"]*C[^"]*" fill="none" stroke="#\w+" stroke-width="([\d.]+)"( stroke-dasharray="[\d. ]+")?/g,
      ),
    ];
    expect(edges.map(([, width, dash]) => [width, dash !== undefined])).toEqual([
      ["4", false],
      ["2", false],
      ["2", true],
    ]);
  });

  it("shows what agents and tests said as text and never as markup", () => {
    const svg = draw(LOOP);
    expect(svg).not.toMatch(/<script|\u0007|\u001b/);
    expect(() => encodeURIComponent(svg)).not.toThrow();
    expect(svg).toContain("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; red\uFFFD");
    expect(new Set([...svg.matchAll(/<([a-z]+)/g)].map((match) => match[1]))).toEqual(
      new Set(["svg", "text", "path", "g", "title", "rect", "polygon"]),
    );
    // Every "&" that is left begins an entity.
    expect(svg.replaceAll(/&(amp|lt|gt|quot|apos);/g, "")).not.toContain("&");
  });

  it("gives the same bytes for the same loop, and needs nothing from outside", () => {
    expect(draw(LOOP)).toBe(draw(LOOP));
    expect(draw(LOOP).match(/(?:href|src|url\(|@import)/)).toBeNull();
  });

  it("draws a loop that has only begun", () => {
    expect(textsOf(draw([]))[1]).toMatch(/^running/);
    expect(textsOf(draw(LOOP.slice(0, 5))).slice(-4)[1]).toBe("running");
  });
});

describe("the layout", () => {
  const iteration = (index: number, round: number, parentIndex?: number): IterationProgress =>
    ({ index, round, ...(parentIndex === undefined ? {} : { parentIndex }) }) as IterationProgress;
  const places = (...iterations: IterationProgress[]): number[][] =>
    layOutLineage(iterations).placed.map(({ column, row }) => [column, row]);

  it("puts a parent in the middle of its children", () => {
    expect(places(iteration(0, 0), iteration(1, 1, 0), iteration(2, 1, 0), iteration(3, 2, 1))).toEqual([
      [0, 0.5],
      [1, 0],
      [1, 1],
      [2, 0],
    ]);
  });

  it("lets attempts that share nothing stand in one row where their rounds differ", () => {
    expect(places(iteration(0, 0), iteration(1, 1), iteration(2, 1), iteration(3, 2))).toEqual([
      [0, 0],
      [1, 0],
      [1, 1],
      [2, 0],
    ]);
  });

  it("is not led astray by parents that are not there, come later, or are of the same round", () => {
    expect(
      places(iteration(0, 0, 0), iteration(1, 0, 9), iteration(2, 0, 1), iteration(3, 1, 4), iteration(4, 2, 3)),
    ).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
      [1, 0],
      [2, 0],
    ]);
  });

  it("places 20,000 rounds of one box, one after the other", () => {
    const deep = Array.from({ length: 20_000 }, (_item, index) =>
      iteration(index, index, index === 0 ? undefined : index - 1),
    );
    expect(layOutLineage(deep)).toMatchObject({ rows: 1, columns: { length: 20_000 } });
  });

  it("never puts two into one place", () => {
    const forest = Array.from({ length: 300 }, (_item, index) =>
      iteration(index, Math.floor(Math.sqrt(index)), index % 7 === 0 ? undefined : Math.floor(index / 3)),
    );
    const taken = places(...forest).map(([column, row]) => `${column}/${row}`);
    expect(new Set(taken).size).toBe(300);
  });
});
