import fc from "fast-check";
import { expect, it } from "vitest";
import type { StoredEvent } from "../../event/event.ts";
import { countUnpackedBytes, packEvent, toPacked, unpackRow } from "./packed-events.ts";
import { SegmentBuilder } from "./segment-builder.ts";

const START = { at: 1_700_000_000_000, sessionId: 's "1"', runId: "run_1" };

const name = fc.oneof(
  fc.constantFrom("data", "0", "17", "__proto__", "ünï"),
  fc.string({ maxLength: 3 }).map((any) => `x${any}`),
);
const text = fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom('"', "\\", "\n", "\ud83d", "\u2028", "]", ","));
const extra = fc.dictionary(name, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3, noNullPrototype: true });
const turn = fc.record({ id: text, seq: fc.nat() }, { requiredKeys: ["id", "seq"] });

/** Bodies of every shape that a row tells apart: bare texts, texts with a place in a turn or with more fields, others, and the beginning of a run. */
const anyBody = fc.oneof(
  text.map((said) => ({ type: "text.delta", text: said })),
  fc.tuple(turn, text).map(([place, said]) => ({ turn: place, type: "text.delta", text: said })),
  fc.tuple(extra, text).map(([fields, said]) => ({ ...fields, type: "text.delta", text: said })),
  text.map((said) => ({ type: "reasoning.delta", text: said })),
  extra.map((fields) => ({ ...fields, type: "custom" })),
  extra.map((fields) => ({ ...fields, type: "run.started" })),
);

/** A log as a store gives it its envelopes: its time may go back, and a run goes on until the next one begins. */
const anyLog = fc
  .array(fc.tuple(anyBody, fc.integer({ min: -5, max: 5 })), { minLength: 1, maxLength: 12 })
  .map((bodies) => {
    let { at, runId } = START;
    return bodies.map(([body, later], index) => {
      const seq = index + 5;
      at += later;
      if (body.type === "run.started") runId = `run_${seq}`;
      return { seq, at, sessionId: START.sessionId, runId, ...body } as unknown as StoredEvent;
    });
  });

it("L4: a row gives back every event byte for byte", () => {
  fc.assert(
    fc.property(anyLog, (events) => {
      const builder = new SegmentBuilder();
      for (const event of events) builder.add(event, packEvent(event));
      const segment = builder.take();
      if (segment === undefined) throw new Error("nothing was gathered");
      expect(builder.take()).toBeUndefined();
      expect([segment.firstSeq, segment.lastSeq]).toEqual([5, events.length + 4]);
      expect(segment.endsAt).toBe(events.at(-1)?.at);
      const read = unpackRow(segment.text, { sessionId: START.sessionId, ...segment });
      expect(read.map((event) => JSON.stringify(event))).toEqual(events.map((event) => JSON.stringify(event)));
    }),
    { numRuns: 500 },
  );
});

it("packs an event into the JSON of what its row does not tell, and knows how much that leaves out", () => {
  fc.assert(
    fc.property(anyLog, (events) => {
      for (const event of events) {
        const packed = packEvent(event);
        expect(packed).toBe(JSON.stringify(toPacked(event)));
        const bytes = Buffer.byteLength(packed) + countUnpackedBytes(event);
        expect(bytes).toBe(Buffer.byteLength(JSON.stringify(event)));
      }
    }),
  );
});

it("stores a text as it stands, and of other events what is their own", () => {
  const rest = { seq: 1, at: 2, sessionId: "s", runId: "r" };
  expect(packEvent({ ...rest, type: "text.delta", text: "a" })).toBe('"a"');
  expect(packEvent({ ...rest, type: "backend.ended", backend: "b" })).toBe('{"type":"backend.ended","backend":"b"}');
  expect(packEvent({ ...rest, type: "run.started", kind: "task", task: 1 })).toBe(
    '{"runId":"r","type":"run.started","kind":"task","task":1}',
  );
});
