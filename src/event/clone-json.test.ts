import { expect, it } from "vitest";
import { MAX_JSON_VALUES, cloneJson } from "./clone-json.ts";
import { parseStoredEvent } from "./parse-event.ts";

const zeros = (length: number): number[] => Array.from({ length }, () => 0);

it("takes as many values as are allowed, however they are nested, and refuses one more", () => {
  const half = MAX_JSON_VALUES / 2;
  expect(cloneJson(zeros(MAX_JSON_VALUES))).toHaveLength(MAX_JSON_VALUES);
  expect(Object.keys(cloneJson({ a: zeros(half - 1), b: zeros(half - 1) }) as object)).toEqual(["a", "b"]);
  const tooMany = expect.objectContaining({
    code: "event_too_large",
    message: expect.stringContaining("500000 values"),
  });
  expect(() => cloneJson(zeros(MAX_JSON_VALUES + 1))).toThrow(tooMany);
  expect(() => cloneJson({ a: zeros(half - 1), b: zeros(half) })).toThrow(tooMany);
  // The limit is one of each value, not of all together.
  expect(cloneJson(zeros(3))).toEqual([0, 0, 0]);
});

it("reads an event that was stored with more", () => {
  const data = zeros(MAX_JSON_VALUES + 1);
  const line = JSON.stringify({ seq: 1, at: 2, sessionId: "s", runId: "r", type: "custom", name: "many", data });
  expect(parseStoredEvent(line)).toMatchObject({ seq: 1, type: "custom", name: "many" });
});
