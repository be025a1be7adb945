import { expect, it } from "vitest";
import { parseModelPrices, priceUsage } from "./model-price.ts";

const prices = { a: { inputUsd: 2, outputUsd: 8, cachedUsd: 1 }, b: { inputUsd: 4, outputUsd: 4 } };
const usage = { inputTokens: 1_000_000, outputTokens: 500_000, cachedTokens: 250_000 };

it("L10: prices what was counted, and says nothing where a price or a count is missing", () => {
  expect(priceUsage(usage, ["a"], prices)).toBe(1.5 + 0.25 + 4);
  expect(priceUsage(usage, [undefined, "unknown", "b"], prices)).toBe(6);
  expect(priceUsage(usage, ["unknown"], prices)).toBeUndefined();
  expect(priceUsage({ inputTokens: 5 }, ["a"], prices)).toBeUndefined();
  expect(priceUsage({}, ["a"], prices)).toBeUndefined();
  expect(priceUsage(usage, ["constructor"], prices)).toBeUndefined();
});

it.each([
  [null, "no prices"],
  [[], "no prices"],
  [{ m: 3 }, 'the price of "m" is no object'],
  [{ m: { inputUsd: 1 } }, "has no outputUsd"],
  [{ m: { inputUsd: "1", outputUsd: 1 } }, "inputUsd"],
  [{ m: { inputUsd: 1, outputUsd: Number.NaN } }, "outputUsd"],
  [{ m: { inputUsd: 1, outputUsd: 1, perMillion: 1 } }, '"perMillion"'],
])("refuses prices that are none: %j", (value, why) => {
  expect(() => parseModelPrices(value, "here")).toThrow(
    expect.objectContaining({ code: "invalid_option", message: expect.stringContaining(why) as string }),
  );
});
