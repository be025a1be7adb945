import fc from "fast-check";
import { expect, it } from "vitest";
import type { BoxEvent } from "../event/event.ts";
import { encodeEvents } from "./encode-events.ts";
import { NO_RUN } from "./run-state.ts";

/** Characters that JSON escapes, halves of pairs, and what stands for itself. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom('"', "\\", "\n", "\u0000", "\u001f", "\u007f", "\u2028", "\ud800", "\udfff", "\ud83d\ude00", "ü"),
    fc.string({ minLength: 0, maxLength: 20 }),
  ),
});
const turn = fc.option(
  fc.record({ id: text, seq: fc.integer({ min: 1 }), offset: fc.integer({ min: 1 }) }, { requiredKeys: ["id", "seq"] }),
  { nil: undefined },
);
const delta = fc.record({ type: fc.constantFrom("text.delta", "reasoning.delta"), text, turn });

it("L4: the line of every delta is what JSON.stringify makes of its event, and reads back as it", () => {
  fc.assert(
    fc.property(fc.array(delta, { maxLength: 8 }), text, (deltas, sessionId) => {
      const bodies = [
        { type: "run.started", kind: "task", task: "x" },
        ...deltas.map(({ turn: mark, ...body }) => (mark === undefined ? body : { ...body, turn: mark })),
      ] as unknown as BoxEvent[];
      const { events, lines } = encodeEvents(bodies, { sessionId, lastSeq: 41, state: NO_RUN, at: 1_700_000_000_000 });
      expect(lines).toEqual(events.map((event) => JSON.stringify(event)));
      expect(events.map(({ seq }) => seq)).toEqual(bodies.map((_, index) => 42 + index));
      const wellFormed = (value: string): string => JSON.parse(JSON.stringify(value)) as string;
      expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(events);
      for (const [index, { text: own }] of deltas.entries())
        expect((events[index + 1] as { text: string }).text).toBe(wellFormed(own));
    }),
    { numRuns: 200 },
  );
});

it("writes a long delta as it writes a short one", () => {
  const long = `${"x".repeat(70_000)}"`;
  const bodies = [
    { type: "run.started", kind: "task", task: "x" },
    { type: "text.delta", text: long },
  ] as BoxEvent[];
  const { events, lines } = encodeEvents(bodies, { sessionId: "s", lastSeq: 0, state: NO_RUN, at: 1 });
  expect(lines[1]).toBe(JSON.stringify(events[1]));
});
