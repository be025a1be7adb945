import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EventBody, StoredEvent } from "../event/event.ts";
import { alignBranches, pathTo, sharedLength } from "./align-branches.ts";
import { groupEvents } from "./event-blocks.ts";

let calls = 0;
const stored = (sessionId: string, bodies: readonly EventBody[]): StoredEvent[] =>
  bodies.map((body, at) => ({ seq: at + 1, at: calls++, sessionId, runId: `run_${sessionId}`, ...body }));
const say = (text: string): EventBody => ({ type: "text.delta", text });
const tool = (toolName: string, answer: string): EventBody[] => {
  const toolCallId = `call_${calls++}`;
  return [
    { type: "tool.started", toolCallId, toolName },
    { type: "tool.ended", toolCallId, toolName, status: "completed", result: { answer } },
  ];
};
const sides = (left: EventBody[], right: EventBody[]) => alignBranches(stored("a", left), stored("b", right));

describe("two branches", () => {
  it("are the same whatever their ids, times and deltas", () => {
    const { rows, parting } = sides(
      [...tool("test", "1"), say("ab"), say("c")],
      [...tool("test", "1"), say("a"), say("bc")],
    );
    expect(parting).toBeUndefined();
    expect(rows.map(({ same }) => same)).toEqual([true, true]);
  });

  it("part at the first event that differs, also inside a text", () => {
    const { parting } = sides(
      [...tool("test", "1"), say("hello "), say("world")],
      [...tool("test", "1"), say("hello"), say(" there")],
    );
    expect(parting).toMatchObject({ row: 1, characters: 6, left: { seq: 4 }, right: { seq: 4 } });
  });

  it("part where only the answer of a tool differs", () => {
    const { rows, parting } = sides(
      [say("x"), ...tool("test", "1"), say("y")],
      [say("x"), ...tool("test", "2"), say("y")],
    );
    expect(parting).toMatchObject({ row: 1, left: { seq: 3 }, right: { seq: 3 } });
    expect(rows.map(({ same }) => same)).toEqual([true, false, true]);
  });

  it("stand side by side again where they do the same, and one side waits meanwhile", () => {
    const { rows } = sides(
      [say("x"), ...tool("edit", "1"), ...tool("edit", "2"), ...tool("test", "ok")],
      [say("x"), ...tool("test", "ok")],
    );
    expect(rows.map(({ left, right, same }) => [left !== undefined, right !== undefined, same])).toEqual([
      [true, true, true],
      [true, false, false],
      [true, false, false],
      [true, true, true],
    ]);
  });

  it("of which one goes on where the other ends part there", () => {
    const { parting } = sides([say("x")], [say("x"), ...tool("test", "1")]);
    expect(parting).toMatchObject({ row: 1, right: { seq: 2 } });
    expect(parting?.left).toBeUndefined();
  });

  it("keep every block of both, in order, whatever they hold", () => {
    const body = fc.oneof(
      fc.constantFrom("a", "b").map((text) => [say(text)]),
      fc.tuple(fc.constantFrom("t", "u"), fc.constantFrom("1", "2")).map(([name, answer]) => tool(name, answer)),
    );
    const branch = fc.array(body, { maxLength: 15 }).map((parts) => parts.flat());
    fc.assert(
      fc.property(branch, branch, (left, right) => {
        const [one, other] = [stored("a", left), stored("b", right)];
        const { rows, parting } = alignBranches(one, other);
        const seqs = (side: "left" | "right") =>
          rows.flatMap((row) => (row[side] === undefined ? [] : [row[side].firstSeq]));
        const expected = (events: StoredEvent[]) =>
          groupEvents(events, { cutTexts: false }).map(({ firstSeq }) => firstSeq);
        expect(seqs("left")).toEqual(expected(one));
        expect(seqs("right")).toEqual(expected(other));
        expect(rows.slice(0, parting?.row ?? rows.length).every(({ same }) => same)).toBe(true);
        if (parting !== undefined) expect(rows[parting.row]?.same === true).toBe(false);
      }),
    );
  });
});

describe("descent", () => {
  const iterations = [
    { index: 0 },
    { index: 1, parentIndex: 0 },
    { index: 2, parentIndex: 0 },
    { index: 3, parentIndex: 1 },
  ];

  it("is a path from the root", () => {
    expect(pathTo(iterations, 3)).toEqual([0, 1, 3]);
    expect(sharedLength(pathTo(iterations, 3), pathTo(iterations, 2))).toBe(1);
    expect(pathTo(iterations, 9)).toEqual([]);
  });

  it("ends where a log that was tampered with would go round in circles", () => {
    expect(
      pathTo(
        [
          { index: 1, parentIndex: 2 },
          { index: 2, parentIndex: 1 },
        ],
        2,
      ),
    ).toEqual([1, 2]);
  });
});
