import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EventBody, StoredEvent } from "../event/event.ts";
import { BlockGrouper, findFailure, groupEvents, readBlockText, tellsFailure } from "./event-blocks.ts";

const stored = (bodies: readonly EventBody[], runId = "run_1"): StoredEvent[] =>
  bodies.map((body, at) => ({ seq: at + 1, at: 1000 + at, sessionId: "s", runId, ...body }));
const say = (text: string): EventBody => ({ type: "text.delta", text });
const started = (toolCallId: string): EventBody => ({ type: "tool.started", toolCallId, toolName: "test" });
const ended = (toolCallId: string, status: "completed" | "failed" = "completed"): EventBody => ({
  type: "tool.ended",
  toolCallId,
  toolName: "test",
  status,
});
const end = (status: "completed" | "failed" | "aborted" | "interrupted"): EventBody => ({
  type: "final",
  status,
  reason: status,
  usage: {},
  durationMs: 1,
});

describe("blocks", () => {
  it("merge consecutive deltas of one kind and nothing else", () => {
    const blocks = groupEvents(
      stored([say("a"), say("b"), { type: "reasoning.delta", text: "c" }, say("d"), say("e")]),
    );
    expect(blocks.map(({ kind }) => kind)).toEqual(["text", "thought", "text"]);
    expect(blocks.map((block) => readBlockText(block))).toEqual(["ab", "c", "de"]);
  });

  it("pair the end of a tool with its start, however far apart and interleaved", () => {
    const blocks = groupEvents(stored([started("1"), started("2"), say("a"), ended("2"), ended("1", "failed")]));
    expect(blocks.map(({ kind, events }) => [kind, events.map(({ seq }) => seq)])).toEqual([
      ["tool", [1, 5]],
      ["tool", [2, 4]],
      ["text", [3]],
    ]);
    expect(blocks.map((block) => tellsFailure(block))).toEqual([true, false, false]);
    expect(tellsFailure(blocks[0]!, 4)).toBe(false);
  });

  it("show an end without a start, and do not pair across runs", () => {
    const run: EventBody = { type: "run.started", kind: "task", task: "x" };
    const blocks = groupEvents(stored([run, started("1"), run, ended("1")]));
    expect(blocks.map(({ kind }) => kind)).toEqual(["prompt", "tool", "prompt", "tool"]);
    // But a turn that goes on ends what it began before it was interrupted.
    const resumed = groupEvents(stored([run, started("1"), end("interrupted"), run, ended("1")]));
    expect(resumed.map(({ kind, events }) => [kind, events.length])).toEqual([
      ["prompt", 1],
      ["tool", 2],
      ["end", 1],
      ["prompt", 1],
    ]);
  });

  it("know which block an event is in, and which are there at an event", () => {
    const grouper = new BlockGrouper();
    for (const event of stored([started("1"), say("a"), say("b"), ended("1"), say("c")])) grouper.add(event);
    expect([1, 2, 3, 4, 5].map((seq) => grouper.blockAt(seq))).toEqual([0, 1, 1, 0, 2]);
    expect([0, 1, 2, 4, 5, 9].map((seq) => grouper.countUntil(seq))).toEqual([0, 1, 2, 2, 3, 3]);
    expect(grouper.blockAt(6)).toBeUndefined();
    expect(readBlockText(grouper.blocks[1]!, 2)).toBe("a");
  });

  it("cut a long text at an empty line, and inside code only where it is very long", () => {
    const paragraph = `${"word ".repeat(60)}\n\n`;
    const blocks = groupEvents(stored(Array.from({ length: 100 }, () => say(paragraph))));
    expect(blocks.length).toBeGreaterThan(5);
    expect(blocks.slice(1).every(({ continued }) => continued === "prose")).toBe(true);
    expect(Math.max(...blocks.map(({ characters }) => characters))).toBeLessThan(5000);

    const code = groupEvents(
      stored([say("``"), say("`js\n"), ...Array.from({ length: 600 }, () => say("let a = 1;\n\n"))]),
    );
    expect(code).toHaveLength(1);
    const long = groupEvents(stored([say("```\n"), ...Array.from({ length: 3000 }, () => say("let a = 1;\n"))]));
    expect(long.map(({ continued }) => continued)).toEqual([undefined, "code"]);
  });

  it("lose no event and keep all text, whatever comes", () => {
    const body = fc.oneof(
      fc.string({ maxLength: 3000 }).map(say),
      fc.constant(say("```\n")),
      fc.constantFrom("1", "2").map(started),
      fc.constantFrom("1", "2").map((id) => ended(id)),
      fc.constant<EventBody>({ type: "custom", name: "x", data: null }),
    );
    fc.assert(
      fc.property(fc.array(body, { maxLength: 60 }), (bodies) => {
        const events = stored(bodies);
        const blocks = groupEvents(events);
        expect(
          blocks
            .flatMap((block) => block.events)
            .map(({ seq }) => seq)
            .sort((a, b) => a - b),
        ).toEqual(events.map(({ seq }) => seq));
        expect(blocks.map((block) => readBlockText(block)).join("")).toBe(
          events.map((event) => (event.type === "text.delta" ? event.text : "")).join(""),
        );
      }),
    );
  });
});

describe("a failure", () => {
  const run: EventBody = { type: "run.started", kind: "task", task: "x" };
  const failed: EventBody = { type: "backend.failed", backend: "b" };

  it("is opened where the backend failed, else at the end", () => {
    expect(findFailure(groupEvents(stored([run, failed, say("later"), end("failed")])))?.firstSeq).toBe(2);
    expect(findFailure(groupEvents(stored([run, say("a"), end("failed")])))?.firstSeq).toBe(3);
  });

  it("is none where the last run completed", () => {
    expect(findFailure(groupEvents(stored([run, failed, end("failed"), run, end("completed")])))).toBeUndefined();
    expect(findFailure(groupEvents(stored([run, say("a")])))).toBeUndefined();
    expect(findFailure(groupEvents(stored([run, failed, end("failed"), run, end("failed")])))?.firstSeq).toBe(5);
  });
});
