import { ValidationError } from "../errors.ts";
import type { Place } from "../lineage/branch.ts";
import type { SandboxLineage } from "../lineage/sandbox-lineage.ts";
import type { Descent } from "./descent.ts";
import type { LoopMemory } from "./loop-memory.ts";
import type { RoundPlan } from "./round-plan.ts";

/** What the lineage flags allow. */
export interface BoxRules {
  readonly continuity: boolean;
  readonly fanout: boolean;
  /** A box that did not survive its process is replaced by a fresh one. */
  readonly freshWhenLost: boolean;
}

/** Where a task will run. Without a place: in a fresh box. */
export interface PlannedBox {
  readonly parentIndex?: number;
  readonly place?: Place;
  readonly how?: "continue" | "fork";
  /** Why the box is a fresh one, where a parent's was lost. */
  readonly reason?: string;
}

export interface PlanBoxesContext extends BoxRules {
  /** The index of the round's first iteration. */
  readonly first: number;
  readonly lineage: SandboxLineage;
  readonly descent: Descent;
  readonly memory: LoopMemory<unknown, unknown>;
}

function parentOf(index: number | undefined): PlannedBox {
  return index === undefined ? {} : { parentIndex: index };
}

/**
 * Where each task of a round will run: a lone task of a parent continues it, several fork it, as far as the flags say (K5, K6, K7);
 * all others start fresh.
 *
 * @throws ValidationError `parent_gone`; `conversation_gone` where the parent's box did not survive its process (K10)
 */
export function planBoxes(plan: RoundPlan<unknown>, context: PlanBoxesContext): PlannedBox[] {
  const { continuity, fanout, first, lineage, descent, memory } = context;
  if (!continuity && !fanout) return plan.tasks.map((_task, offset) => parentOf(plan.parents?.[offset]));
  const parents = plan.parents ?? plan.tasks.map(() => descent.defaultParent());
  const siblings = new Map<number | undefined, number>();
  for (const parent of parents) siblings.set(parent, (siblings.get(parent) ?? 0) + 1);
  return parents.map((parent, offset): PlannedBox => {
    const inFlight = memory.turnInFlight(first + offset);
    if (inFlight !== undefined) return parentOf(inFlight.parentIndex);
    if (parent === undefined || memory.isFinished(first + offset)) return {};
    // A parent that shares nothing is a parent only where the driver says so.
    const unshared = parentOf(plan.parents === undefined ? undefined : parent);
    const alone = siblings.get(parent) === 1;
    if (alone ? !continuity : !fanout) return unshared;
    if (descent.isLost(parent)) return withoutBox(parent, context);
    const place = plan.parents === undefined ? descent.reachable(parent) : descent.named(parent);
    if (place === undefined) return unshared;
    return { parentIndex: parent, place, how: alone && lineage.isHead(place) ? "continue" : "fork" };
  });
}

function withoutBox(parent: number, { freshWhenLost, memory }: PlanBoxesContext): PlannedBox {
  const checkpointId = memory.checkpointOf(parent);
  const why =
    checkpointId === undefined
      ? `the box of iteration ${parent} is gone and has no checkpoint`
      : `the box of iteration ${parent} is gone, and its checkpoint ${checkpointId} is not on this machine`;
  if (freshWhenLost) return { reason: `begun afresh: ${why}` };
  throw new ValidationError(
    "conversation_gone",
    `The loop cannot go on from where it was: ${why}. Resume it on the machine that has them, or with onLostBox "fresh" to go on in a fresh box.`,
  );
}
