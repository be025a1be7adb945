import { mapWithConcurrency } from "../internal/map-with-concurrency.ts";
import type { SandboxLineage } from "../lineage/sandbox-lineage.ts";
import type { Descent } from "./descent.ts";
import type { Iteration } from "./loop-types.ts";
import type { RoundPlan } from "./round-plan.ts";

/** The tag of a checkpoint that is kept when its loop has ended, so that another one can be forked from there. */
export const FORK_POINT_TAG = "skein.fork-point";

type Made = readonly Pick<Iteration<unknown, unknown>, "index" | "events">[];

/** Before a round makes its boxes, those go that its plan neither keeps nor descends from. */
export async function pruneBeforeRound(
  lineage: SandboxLineage,
  descent: Descent,
  { keep, parents = [] }: RoundPlan<unknown>,
): Promise<void> {
  if (keep !== undefined) await lineage.prune(descent.placesOf([...keep, ...parents]));
}

/**
 * After a round, the boxes go from which no later round can descend (K8): all but the default parent's, or, where the driver names parents,
 * those that its plan does not keep. What the round itself made may still be named.
 */
export async function pruneAfterRound(
  lineage: SandboxLineage,
  descent: Descent,
  { keep }: RoundPlan<unknown>,
  { namesParents, made }: { readonly namesParents: boolean; readonly made: Made },
): Promise<void> {
  if (!namesParents) {
    const parent = descent.defaultParent();
    await lineage.prune(parent === undefined ? [] : descent.placesOf([parent]));
  } else if (keep !== undefined) {
    await lineage.prune(descent.placesOf([...keep, ...made.map(({ index }) => index)]));
  }
}

/** A fork point at the end of each iteration of a round, tied to its place in the iteration's log. */
export async function takeForkPoints(
  lineage: SandboxLineage,
  descent: Descent,
  made: Made,
  { maxConcurrency, onlyMemory }: { readonly maxConcurrency: number; readonly onlyMemory: boolean },
): Promise<void> {
  await mapWithConcurrency(made, maxConcurrency, async ({ index, events }) => {
    const [place] = descent.placesOf([index]);
    const atSeq = events.at(-1)?.seq;
    if (place === undefined || !lineage.isHead(place)) return;
    await lineage.checkpoint(place, { onlyMemory, tags: [FORK_POINT_TAG], ...(atSeq === undefined ? {} : { atSeq }) });
  });
}
