import { describe, expect, it } from "vitest";
import type { StoredEvent } from "../../event/event.ts";
import { renderIterationTable } from "./iteration-table.ts";
import { renderLineageTree } from "./lineage-tree.ts";
import { renderLoopBlock } from "./loop-block.ts";
import { renderAttempt, renderLoopEvent } from "./loop-lines.ts";
import { LoopProgress } from "../../view/loop-progress.ts";
import { visibleWidth } from "../../view/plain-text.ts";
import { PLAIN_STYLE } from "./style.ts";

const LOOP: object[] = [
  { type: "run.started", kind: "loop", task: { prompt: "mend" } },
  {
    type: "loop.started",
    driver: "refine",
    agentRunNames: ["repair"],
    fingerprint: "f",
    maxIterations: 6,
    maxConcurrency: 2,
  },
  { type: "round.planned", round: 0, tasks: ["mend"] },
  { type: "box.created", boxId: "b0", index: 0 },
  { type: "iteration.started", index: 0, round: 0, iterationSessionId: "it0", agentRunName: "repair", boxId: "b0" },
  { type: "iteration.ended", index: 0, status: "completed", usage: {} },
  { type: "verdict.given", index: 0, valid: false, score: 0.5, notes: "2 of 4 tests pass" },
  { type: "round.planned", round: 1, tasks: ["mend", "mend"], parentIndex: 0, cut: 1 },
  {
    type: "iteration.started",
    index: 1,
    round: 1,
    iterationSessionId: "it1",
    agentRunName: "repair",
    parentIndex: 0,
    boxId: "b1",
  },
  { type: "box.forked", boxId: "b1", from: "b0", mode: "files", index: 1 },
  {
    type: "iteration.started",
    index: 2,
    round: 1,
    iterationSessionId: "it2",
    agentRunName: "repair",
    parentIndex: 0,
    boxId: "b2",
  },
  { type: "box.forked", boxId: "b2", mode: "fresh", index: 2, reason: "no fork" },
  { type: "verdict.given", index: 1, valid: true, score: 1, notes: "4 of 4 tests pass" },
  { type: "iteration.ended", index: 1, status: "completed", usage: {} },
  {
    type: "iteration.ended",
    index: 2,
    status: "failed",
    usage: {},
    error: { name: "BackendError", message: "The agent left.", code: "agent_exited", kind: "backend" },
  },
  { type: "final", status: "completed", reason: "completed", usage: {}, durationMs: 5000 },
];

const at = (body: object, index: number, sessionId = "loop1"): StoredEvent =>
  ({ seq: index + 1, at: index * 1000, runId: "r", ...body, sessionId }) as StoredEvent;

function progressAfter(count: number): { progress: LoopProgress; lines: string[] } {
  const progress = new LoopProgress("loop1");
  const lines: string[] = [];
  for (const [index, body] of LOOP.slice(0, count).entries()) {
    const event = at(body, index);
    progress.add(event);
    lines.push(...renderLoopEvent(event, progress, PLAIN_STYLE));
  }
  return { progress, lines };
}

describe("a loop in lines", () => {
  it("tells rounds, boxes, scores and failures in order", () => {
    expect(progressAfter(LOOP.length).lines).toEqual([
      "round 0  1 task",
      "  #0  repair  new box",
      "  #0  ✓ ended  1.0 s",
      "round 1  2 tasks, 1 more cut by the limit of iterations",
      "  #1  repair",
      "  #2  repair",
      "  #1  ✓ 1.00  4 of 4 tests pass  5.0 s",
      "  #2  ✗ The agent left. [agent_exited]  4.0 s",
      "✓ completed in 5.0 s",
    ]);
  });

  it("tells what an attempt tried with what came of it", () => {
    const { progress } = progressAfter(5);
    const titles = new Map<string, string>();
    const result = { content: [{ content: { text: "3 of 4" } }] };
    const started = at({ type: "tool.started", toolCallId: "t", toolName: "edit", title: "try < as <=" }, 0, "it0");
    const ended = at({ type: "tool.ended", toolCallId: "t", toolName: "edit", status: "completed", result }, 1, "it0");
    expect([started, ended].flatMap((event) => renderAttempt(event, titles, progress, PLAIN_STYLE))).toEqual([
      "  #0    ▸ try < as <=  3 of 4",
    ]);
  });
});

describe("LoopProgress", () => {
  it("K9: takes the highest score among valid outputs, else among all, the earliest of equals", () => {
    expect(progressAfter(LOOP.length).progress.winner?.index).toBe(1);
    expect(progressAfter(12).progress.winner?.index).toBe(0);
    expect(progressAfter(4).progress.winner).toBeUndefined();
  });

  it("knows how each iteration came to its box, whichever event came first", () => {
    const { progress } = progressAfter(LOOP.length);
    expect(progress.iterations.map(({ origin }) => origin)).toEqual(["new", "files", "fresh"]);
  });

  it("L10: adds up what was reported, and knows nothing of what was not", () => {
    const { progress } = progressAfter(5);
    expect(progress.usage).toEqual({});
    progress.add(at({ type: "usage.reported", costUsd: 0.5 }, 0, "it0"));
    expect(progress.usage).toEqual({ costUsd: 0.5 });
  });

  it("closes what was running when the loop ended", () => {
    const { progress } = progressAfter(11);
    expect(progress.running.map(({ index }) => index)).toEqual([1, 2]);
    progress.add(at({ type: "final", status: "aborted", reason: "aborted", usage: {}, durationMs: 1 }, 11));
    expect(progress.running).toEqual([]);
  });
});

describe("the live block", () => {
  it("shows each attempt and the sum, never wider than the screen", () => {
    const { progress } = progressAfter(12);
    progress.add(
      at({ type: "tool.started", toolCallId: "t", toolName: "edit", title: `try ${"x".repeat(200)}` }, 0, "it1"),
    );
    const lines = renderLoopBlock(progress, {
      style: PLAIN_STYLE,
      columns: 80,
      now: 12_000,
      notice: "boxes are not contained",
    });
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^ {2}▸ #1 4\.0 s fork \(files\) {2}try x+…$/);
    expect(lines[1]).toBe("  ▸ #2 2.0 s fresh box  starting");
    expect(lines[2]).toBe("  2 rounds · 1 of at most 6 iterations · 3 boxes · best 0.50 · 12.0 s");
    for (const line of lines) expect(visibleWidth(line)).toBeLessThanOrEqual(80);
  });

  it("is gone when the loop has ended", () => {
    expect(renderLoopBlock(progressAfter(LOOP.length).progress, { style: PLAIN_STYLE, columns: 80, now: 0 })).toEqual(
      [],
    );
  });
});

describe("after the loop", () => {
  const { progress } = progressAfter(LOOP.length);

  it("lists the iterations with the winner marked", () => {
    expect(renderIterationTable(progress, PLAIN_STYLE, 80)).toEqual([
      "#  round  parent  box           score  valid    time",
      "0      0       –  new box        0.50  no      1.0 s",
      "1      1       0  fork (files)   1.00  yes     5.0 s  ★ winner",
      "2      1       0  fresh box         –  failed  4.0 s",
    ]);
  });

  it("draws who descends from whom", () => {
    expect(renderLineageTree(progress, PLAIN_STYLE, 80)).toEqual([
      "└─ #0 round 0 · new box · 1.0 s  ✗ 0.50  2 of 4 tests pass",
      "   ├─ #1 ★ round 1 · fork (files) · 5.0 s  ✓ 1.00  4 of 4 tests pass",
      "   └─ #2 round 1 · fresh box · 4.0 s  ✗ The agent left. [agent_exited]",
    ]);
  });

  it("shows a child whose parent is not in the log, and survives an iteration that names itself", () => {
    const lost = new LoopProgress("loop1");
    lost.add(
      at(
        { type: "iteration.started", index: 3, round: 2, iterationSessionId: "it3", agentRunName: "a", parentIndex: 1 },
        0,
      ),
    );
    lost.add(
      at(
        { type: "iteration.started", index: 4, round: 2, iterationSessionId: "it4", agentRunName: "a", parentIndex: 4 },
        0,
      ),
    );
    expect(renderLineageTree(lost, PLAIN_STYLE, 80)).toHaveLength(2);
  });
});
