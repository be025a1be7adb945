import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonValue, StoredEvent } from "../event/event.ts";
import { findDigests } from "./blob-digest.ts";
import type { LargeLine } from "./large-line.ts";
import { cutLine, writeLargeLine } from "./large-line.ts";
import { packEvent, toLargeValue } from "./sqlite/packed-events.ts";

const PART = 512 * 1024;

function eventOf(data: JsonValue): StoredEvent {
  return { seq: 7, at: 1, sessionId: "s", runId: "r", type: "custom", name: "large", data };
}

function write(event: StoredEvent): LargeLine {
  const steps = writeLargeLine(event, toLargeValue(event));
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Text as UTF-8 and back: half a character does not come back as it was. */
const throughUtf8 = (text: string): string => Buffer.from(text).toString();

const PIECES = [
  "a",
  '"',
  "\\",
  "\n",
  "\u0000",
  "\u007f",
  "é",
  "漢",
  "😀",
  "\ud83d",
  "\ude00",
  "\u2028",
  "</",
  "-",
  "~".repeat(999),
];

/** Texts on both sides of every limit, with all that needs an escape, so that borders fall anywhere in it. */
const anyText = fc
  .record({
    unit: fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 12 }).map((pieces) => pieces.join("")),
    before: fc.nat(3),
    length: fc.constantFrom(10, 128 * 1024, PART - 1, PART + 1, 2 * PART + 5),
  })
  .map(({ unit, before, length }) => "x".repeat(before) + unit.repeat(Math.ceil(length / unit.length)));

describe("writeLargeLine", () => {
  it("L4: writes what a small event would be packed into, in parts that cut no character", () => {
    fc.assert(
      fc.property(anyText, anyText, fc.jsonValue({ maxDepth: 2 }), (text, other, small) => {
        const event = eventOf({
          text,
          small: small as JsonValue,
          list: [1, other, null, { [`k"${text.slice(0, 9)}`]: [] }],
        });
        const { parts } = write(event);
        const line = packEvent(event);
        expect(parts.join("") === line).toBe(true);
        expect(parts.every((part) => throughUtf8(part) === part)).toBe(true);
      }),
      { numRuns: 12 },
    );
  });

  it("L4: does not cut a pair of surrogates that lies over the border of two slices", () => {
    for (const before of [PART - 2, PART - 1, PART]) {
      const event = eventOf(`${"x".repeat(before)}😀\ud83d${"y".repeat(PART)}`);
      const { parts } = write(event);
      expect(parts.join("") === packEvent(event)).toBe(true);
      expect(parts.every((part) => throughUtf8(part) === part)).toBe(true);
    }
  });

  it("writes an event of many small values", () => {
    const event = eventOf(Array.from({ length: 60_000 }, (_, index) => ({ index, text: "a small value" })));
    const { parts } = write(event);
    expect(parts.length).toBeGreaterThan(3);
    expect(parts.join("") === packEvent(event)).toBe(true);
  });

  it("finds the blobs that it refers to, each once, also where parts end in a reference", () => {
    const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
    const event = eventOf([
      { digest: digest("1"), size: 1 },
      "x".repeat(PART + 10),
      ...Array.from({ length: 4000 }, (_, index) => ({ digest: digest((index % 10).toString()), size: index })),
      `"digest":"${digest("a")}"`.repeat(10_000),
    ]);
    const { parts, digests } = write(event);
    expect(parts.length).toBeGreaterThan(3);
    expect(digests).toEqual(findDigests(JSON.stringify(event)));
  });

  it("refuses what is above the limit, and says by how much", () => {
    expect(() => write(eventOf("\u0000".repeat(14 * 1024 * 1024)))).toThrow(/has 88080\d{3} bytes of JSON/);
  });

  it("cuts a line into parts that join to it", () => {
    const line = "😀".repeat(PART);
    expect([...cutLine(line)].join("") === line).toBe(true);
  });
});
