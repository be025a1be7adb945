import { assert, asyncProperty } from "fast-check";
import { describe, expect, it } from "vitest";
import type { DriverKit } from "./driver/driver-kit.ts";
import type { RandomLoop } from "./driver/random-loop.ts";
import { limitOf, randomLoops, runRandomLoop } from "./driver/random-loop.ts";

const forAll = (runs: number, shares: boolean, check: (loop: RandomLoop) => Promise<void>): Promise<void> =>
  assert(asyncProperty(randomLoops(shares), check), { numRuns: runs });

function testIndependence<Task, Output>(kit: DriverKit<Task, Output>): void {
  it("K1: takes independent samples: it names no parents, and no loop may share boxes", async () => {
    expect(kit.create().namesParents ?? false).toBe(false);
    const loop: RandomLoop = {
      outcomes: [{ kind: "agent-fails" }],
      validator: false,
      lineage: { sessionContinuity: true },
    };
    await expect(runRandomLoop(kit, loop)).rejects.toMatchObject({ code: "invalid_option" });
  });
}

function testDescent<Task, Output>(kit: DriverKit<Task, Output>, runs: number): void {
  it("K7, K8: descends only from what can be reached, in boxes that are continued and forked", () =>
    forAll(runs, true, async (loop) => {
      const { peakBoxes } = await runRandomLoop(kit, loop);
      expect(peakBoxes, "boxes that were alive at once").toBeLessThanOrEqual(kit.maxBoxes ?? Number.POSITIVE_INFINITY);
    }));
}

/**
 * Proves that a driver keeps what `Driver` promises: it is run by the kernel over random verdicts and failures, and every question is asked again
 * of the same driver and of one that was made anew. Call it at the top of a test file of vitest.
 *
 * @stable
 */
export function testDriver<Task, Output>(kit: DriverKit<Task, Output>): void {
  const { runs = 40 } = kit;
  const isBounded = kit.maxIterations !== "unbounded";
  const most = isBounded ? limitOf(kit) : Number.POSITIVE_INFINITY;

  describe(`${kit.name} as a driver`, () => {
    it(`K9, K10, K11: plans and decides by the history alone ${isBounded ? `and ends by itself within ${most} iterations` : "until a limit of the loop ends it"}`, () =>
      forAll(runs, false, async (loop) => {
        const { winner, iterations } = (await runRandomLoop(kit, loop)).result;
        expect(iterations.length, "a driver plans at least one task").toBeGreaterThan(0);
        expect(iterations.length, "iterations until it ends by itself").toBeLessThanOrEqual(most);
        const named = winner === undefined ? undefined : iterations[winner.iterationIndex];
        expect({ index: named?.index, task: named?.task, output: named?.output }, "the winner").toEqual({
          index: winner?.iterationIndex,
          task: winner?.task,
          output: winner?.output,
        });
      }));

    (kit.create().independent === true ? testIndependence : testDescent)(kit, runs);
  });
}
