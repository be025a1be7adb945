import { expect, it } from "vitest";
import { parseDuration, parsePort, parsePositive, parseSpeed, parseWhole, parseWord } from "./parse-option.ts";

it.each([
  ["90", 90_000],
  ["90s", 90_000],
  ["500ms", 500],
  ["1.5m", 90_000],
  ["2 min", 120_000],
  ["1h", 3_600_000],
])("reads the duration %s", (text, ms) => expect(parseDuration(text)).toBe(ms));

it.each(["", "0", "-1", "1x", "s", "1e9", "99d", "Infinity"])("refuses the duration %j", (text) =>
  expect(() => parseDuration(text)).toThrow(/such as 90s/),
);

it.each(["0", "-1", "1.5", "", " ", "x", "1e3", "99999999999999999999"])(
  "refuses %j where a whole number from 1 is wanted",
  (text) => expect(() => parseWhole(1, "k")(text)).toThrow(/k is a whole number of at least 1/),
);

it("reads numbers, words and speeds", () => {
  expect(parseWhole(1, "k")("12")).toBe(12);
  expect(parsePositive("a cost")("0.5")).toBe(0.5);
  expect(() => parsePositive("a cost")("0")).toThrow(/above 0/);
  expect(parseWord(["a", "b"])("b")).toBe("b");
  expect(() => parseWord(["a", "b"])("c")).toThrow(/one of a, b/);
  expect([parseSpeed("1"), parseSpeed("10x"), parseSpeed("max")]).toEqual([1, 10, Number.POSITIVE_INFINITY]);
  expect(() => parseSpeed("fast")).toThrow(/or max/);
});

it("knows which ports there are", () => {
  expect([parsePort("0"), parsePort("65535")]).toEqual([0, 65_535]);
  expect(() => parsePort("65536")).toThrow(/A port is at most 65535, not 65536/);
});
