import { expect, it } from "vitest";
import { shareTurn } from "./share-turn.ts";

it("gives the event loop back however many go on from promise to promise, and lets all of them go on", async () => {
  let turns = 0;
  let isOver = false;
  const countTurns = (): void => {
    turns += 1;
    if (!isOver) setImmediate(countTurns);
  };
  countTurns();
  const endsAt = performance.now() + 60;
  const rounds = await Promise.all(
    Array.from({ length: 8 }, async () => {
      let round = 0;
      for (; performance.now() < endsAt; round++) await (shareTurn() ?? Promise.resolve());
      return round;
    }),
  );
  isOver = true;
  expect(turns).toBeGreaterThan(5);
  expect(Math.min(...rounds)).toBeGreaterThan(0);
});
