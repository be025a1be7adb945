import fc from "fast-check";
import { expect, it } from "vitest";
import type { EventBody, StoredEvent } from "../event/event.ts";
import { SpanProjection } from "./span-projection.ts";

const index = fc.integer({ min: 0, max: 2 });
const id = fc.constantFrom("a", "b");

/** Bodies in any order: what a log never holds, a projection must survive all the same. */
const bodies: fc.Arbitrary<EventBody> = fc.oneof(
  fc.record({
    type: fc.constant("run.started" as const),
    kind: fc.constantFrom("task" as const, "loop" as const),
    task: fc.constant("t"),
  }),
  fc.record({
    type: fc.constantFrom("backend.started" as const, "backend.ended" as const, "backend.failed" as const),
    backend: id,
  }),
  fc.record({ type: fc.constant("text.delta" as const), text: fc.string() }),
  fc.record({ type: fc.constant("tool.started" as const), toolCallId: id, toolName: fc.string() }),
  fc.record({
    type: fc.constant("tool.ended" as const),
    toolCallId: id,
    toolName: id,
    status: fc.constant("completed" as const),
  }),
  fc.record({
    type: fc.constant("round.planned" as const),
    round: index,
    tasks: fc.array(fc.constant("t"), { maxLength: 3 }),
  }),
  fc.record({ type: fc.constant("box.created" as const), boxId: id, index }),
  fc.record({
    type: fc.constant("box.forked" as const),
    boxId: id,
    from: id,
    mode: fc.constant("memory" as const),
    index,
  }),
  fc.record({ type: fc.constant("box.continued" as const), boxId: id, index, from: index }),
  fc.record({
    type: fc.constant("iteration.started" as const),
    index,
    round: index,
    iterationSessionId: id,
    agentRunName: id,
    boxId: id,
  }),
  fc.record({ type: fc.constant("verdict.given" as const), index, valid: fc.boolean(), score: fc.double() }),
  fc.record({
    type: fc.constant("iteration.ended" as const),
    index,
    status: fc.constant("completed" as const),
    usage: fc.constant({}),
  }),
  fc.record({ type: fc.constant("decision.made" as const), round: index, decision: fc.constant(null) }),
  fc.record({
    type: fc.constant("checkpoint.created" as const),
    checkpointId: id,
    boxId: id,
    mode: fc.constant("files" as const),
  }),
  fc.record({
    type: fc.constant("final" as const),
    status: fc.constantFrom("completed" as const, "failed" as const, "interrupted" as const, "aborted" as const),
    reason: id,
    usage: fc.constant({}),
    durationMs: fc.constant(0),
  }),
);

it("ends every span that it begins, once, after its parent began and not before itself, whatever the events", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(id, bodies, fc.integer({ min: -5, max: 50 })), { maxLength: 80 }), (steps) => {
      const projection = new SpanProjection();
      const opened = new Map<string, string | undefined>();
      const closed = new Set<string>();
      const seqs = new Map<string, number>();
      const runs = new Map<string, number>();
      let at = 1_000;
      const hear = (sessionId: string, body: EventBody): void => {
        const seq = (seqs.get(sessionId) ?? 0) + 1;
        seqs.set(sessionId, seq);
        if (body.type === "run.started") runs.set(sessionId, seq);
        const event = { ...body, seq, at, sessionId, runId: `${sessionId}${runs.get(sessionId) ?? 0}` } as StoredEvent;
        for (const { change, span } of projection.add(event)) {
          if (change === "opened") {
            if (span.parentSpanId !== undefined) expect(opened.has(span.parentSpanId)).toBe(true);
            opened.set(span.spanId, span.parentSpanId);
          } else {
            expect(opened.has(span.spanId)).toBe(true);
            expect(span.endedAt).toBeGreaterThanOrEqual(span.startedAt);
            closed.add(span.spanId);
          }
        }
      };
      for (const [sessionId, body, later] of steps) {
        at += later;
        hear(sessionId, body);
      }
      for (const sessionId of ["a", "b"])
        hear(sessionId, { type: "final", status: "aborted", reason: "end", usage: {}, durationMs: 0 });
      expect([...closed].sort()).toEqual([...opened.keys()].sort());
    }),
  );
});
