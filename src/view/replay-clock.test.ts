import { expect, it } from "vitest";
import { countPlayed, measureReplay } from "./replay-clock.ts";

it("events come back at the distances at which they happened", () => {
  const times = measureReplay([1000, 1010, 1010, 5010]);
  expect([...times.offsets]).toEqual([0, 10, 10, 4010]);
  expect([-1, 0, 9, 10, 4009, 4010, 9999].map((elapsed) => countPlayed(times, elapsed))).toEqual([0, 1, 1, 3, 3, 4, 4]);
});

it("a long pause can be shortened, and a clock that went back stands still", () => {
  expect([...measureReplay([0, 60_000, 59_000, 59_100], { longestPause: 2000 }).offsets]).toEqual([
    0, 2000, 2000, 2100,
  ]);
  expect(measureReplay([]).durationMs).toBe(0);
});
