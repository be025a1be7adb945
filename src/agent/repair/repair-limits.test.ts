import { expect, it } from "vitest";
import { parseRepairLimits } from "./repair-limits.ts";

it("has sensible limits where nothing is said", () => {
  expect(parseRepairLimits({})).toMatchObject({ tries: 40, seconds: 30 });
  expect(parseRepairLimits({}).seed).toBeUndefined();
});

it("takes a request's limits before the environment's, and the later request's before the earlier one's", () => {
  const env = { SKEIN_REPAIR_TRIES: "9", SKEIN_REPAIR_SECONDS: "2.5", SKEIN_REPAIR_SEED: "7" };
  expect(parseRepairLimits(env)).toMatchObject({ tries: 9, seconds: 2.5, seed: "7" });
  expect(parseRepairLimits(env, { tries: 3, seed: 8 }, { tries: 2 })).toMatchObject({
    tries: 2,
    seconds: 2.5,
    seed: "8",
  });
});

it.each(["0", "-1", "many", "NaN", ""])("passes over %j, which is no number of tries", (text) => {
  expect(parseRepairLimits({ SKEIN_REPAIR_TRIES: text }, "nonsense", null)).toMatchObject({ tries: 40 });
});
