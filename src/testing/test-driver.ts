import { assert, asyncProperty } from "fast-check";
import { describe, expect, it } from "vitest";
import type { DriverKit } from "./driver/driver-kit.ts";
import type { RandomLoop } from "./driver/random-loop.ts";
import { limitOf, randomLoops, runRandomLoop } from "./driver/random-loop.ts";

/**
 * Proves that a driver keeps what `Driver` promises: it is run by the kernel over random verdicts and failures, and every question is asked again
 * of the same driver and of one that was made anew. Call it at the top of a test file of vitest.
 *
 * @stable
 */
export function testDriver<Task, Output>(kit: DriverKit<Task, Output>): void {
  const { independent, namesParents } = kit.create();
  const { maxBoxes = Number.POSITIVE_INFINITY, runs = 40 } = kit;
  const forAll = (shares: boolean, check: (loop: RandomLoop) => Promise<void>): Promise<void> =>
    assert(asyncProperty(randomLoops(shares), check), { numRuns: runs });

  describe(`${kit.name} as a driver`, () => {
    const ends = kit.maxIterations === "unbounded" ? "until a limit of the loop ends it" : `and ends by itself within ${limitOf(kit)} iterations`;
    it(`K9, K10, K11: plans and decides by the history alone ${ends}`, () =>
      forAll(false, async (loop) => {
        const { winner, iterations } = (await runRandomLoop(kit, loop)).result;
        expect(iterations.length, "a driver plans at least one task").toBeGreaterThan(0);
        if (kit.maxIterations !== "unbounded") expect(iterations.length, "iterations until it ends by itself").toBeLessThanOrEqual(limitOf(kit));
        if (winner === undefined) return;
        expect(iterations[winner.iterationIndex]).toMatchObject({ index: winner.iterationIndex, output: winner.output, task: winner.task });
      }));

    if (independent === true) {
      it("K1: takes independent samples: it names no parents, and no loop may share boxes", async () => {
        expect(namesParents ?? false).toBe(false);
        const loop: RandomLoop = { outcomes: [{ kind: "agent-fails" }], validator: false, lineage: { sessionContinuity: true } };
        await expect(runRandomLoop(kit, loop)).rejects.toMatchObject({ code: "invalid_option" });
      });
    } else {
      it("K7, K8: descends only from what can be reached, in boxes that are continued and forked", () =>
        forAll(true, async (loop) => {
          const { peakBoxes } = await runRandomLoop(kit, loop);
          expect(peakBoxes, "boxes that were alive at once").toBeLessThanOrEqual(maxBoxes);
        }));
    }
  });
}
