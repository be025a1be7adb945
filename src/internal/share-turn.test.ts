import { expect, it } from "vitest";
import { endOfTurn, inTurns, shareTurn } from "./share-turn.ts";

it("gives the event loop back however many go on from promise to promise, and lets all of them go on", async () => {
  let turns = 0;
  let isOver = false;
  const countTurns = (): void => {
    turns += 1;
    if (!isOver) setImmediate(countTurns);
  };
  countTurns();
  // However few turns a loaded machine has in a second: they come, or the loop was never given back.
  const endsAt = performance.now() + 10_000;
  const rounds = await Promise.all(
    Array.from({ length: 8 }, async () => {
      let round = 0;
      for (; turns <= 5 && performance.now() < endsAt; round++) await (shareTurn() ?? Promise.resolve());
      return round;
    }),
  );
  isOver = true;
  expect(turns).toBeGreaterThan(5);
  expect(Math.min(...rounds)).toBeGreaterThan(0);
});

it("lets those who share a turn go on between the steps of long work, and ends it where it is no longer wanted", async () => {
  let steps = 0;
  let rounds = 0;
  function* work(): Generator<undefined, string> {
    // Each step takes more than a turn has.
    for (; steps < 20; steps++) {
      const until = performance.now() + 3;
      while (performance.now() < until);
      yield;
    }
    return "done";
  }
  let isOver = false;
  const sharing = (async () => {
    for (; !isOver; rounds++) {
      await endOfTurn();
      for (let turn = shareTurn(); turn !== undefined; turn = shareTurn()) await turn;
    }
  })();
  expect(await inTurns(work(), () => true)).toBe("done");
  isOver = true;
  await sharing;
  expect(rounds).toBeGreaterThan(5);
  steps = 0;
  expect(await inTurns(work(), () => steps < 3)).toBeUndefined();
  expect(steps).toBeLessThan(10);
});
