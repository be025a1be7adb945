import fc from "fast-check";
import { expect, it } from "vitest";
import { packLines, parseSegment } from "./segment-text.ts";

const id = fc.constantFrom(
  "a",
  'quo"te',
  "back\\slash",
  "$&$1$`",
  '","runId":"x',
  "line\nbreak",
  "\u001f\u001d",
  "é漢😀",
  "\ud800",
);

it("L4: makes of every segment the events that were stored in it, whatever they hold", () => {
  const event = fc.record({
    seq: fc.nat(),
    at: fc.constantFrom(0, 1_763_870_400_000),
    sessionId: id,
    runId: id,
    type: fc.constant("custom"),
    data: fc.oneof(fc.jsonValue({ maxDepth: 2 }), id),
  });
  const events = fc.array(event, { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(events, fc.boolean(), (stored, isOfOneRun) => {
      const [{ at, sessionId, runId }] = stored as [(typeof stored)[number]];
      const lines = stored.map((one) => JSON.stringify(isOfOneRun ? { ...one, at, sessionId, runId } : one));
      expect(parseSegment(packLines(lines))?.map((one) => JSON.stringify(one))).toEqual(lines);
    }),
  );
});

it("stores what the lines of a segment share once", () => {
  const head = { at: 1_763_870_400_000, sessionId: "session_0123456789abcdef", runId: "run_0123456789abcdef" };
  const lines = [1, 2, 3].map((seq) => JSON.stringify({ seq, ...head, type: "text.delta", text: "word" }));
  expect(packLines(lines).split('"runId"')).toHaveLength(2);
});

it("says that a text is no segment", () => {
  for (const text of ["", "{", "\u001f", "\u001f,\n{}\n"]) expect(parseSegment(text)).toBeUndefined();
});
