import { SkeinError, ValidationError } from "../errors.ts";
import type { StoredEventOf } from "../event/event.ts";
import type { Place } from "../lineage/branch.ts";
import type { SandboxLineage } from "../lineage/sandbox-lineage.ts";
import type { Descent } from "./descent.ts";
import type { CheckpointMode } from "../sandbox/sandbox.ts";
import type { LoopMemory } from "./loop-memory.ts";
import type { RoundPlan } from "./round-plan.ts";

/** What the lineage flags allow. */
export interface BoxRules {
  readonly continuity: boolean;
  readonly fanout: boolean;
  /** A fork that has not its parent's memory is none. */
  readonly onlyMemory: boolean;
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
  /** Takes a checkpoint of another machine out of the store. @returns what it holds here @throws SandboxError where it cannot be gone on from here */
  fetch(checkpoint: StoredEventOf<"checkpoint.created">): Promise<CheckpointMode>;
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
export async function planBoxes(plan: RoundPlan<unknown>, context: PlanBoxesContext): Promise<PlannedBox[]> {
  const { continuity, fanout, first, lineage, descent, memory } = context;
  if (!continuity && !fanout) return plan.tasks.map((_task, offset) => parentOf(plan.parents?.[offset]));
  const parents = plan.parents ?? plan.tasks.map(() => descent.defaultParent());
  const siblings = new Map<number | undefined, number>();
  for (const parent of parents) siblings.set(parent, (siblings.get(parent) ?? 0) + 1);
  const lost = new Map<number, Promise<PlannedBox | undefined>>();
  const planBox = async (parent: number | undefined, offset: number): Promise<PlannedBox> => {
    const inFlight = memory.turnInFlight(first + offset);
    if (inFlight !== undefined) return parentOf(inFlight.parentIndex);
    if (parent === undefined || memory.isFinished(first + offset)) return {};
    // A parent that shares nothing is a parent only where the driver says so.
    const unshared = parentOf(plan.parents === undefined ? undefined : parent);
    const alone = siblings.get(parent) === 1;
    if (alone ? !continuity : !fanout) return unshared;
    // One parent's checkpoint is brought here once, however many descend from it.
    const recovering = lost.get(parent) ?? recoverParent(parent, context);
    lost.set(parent, recovering);
    const instead = await recovering;
    if (instead !== undefined) return instead;
    const place = plan.parents === undefined ? descent.reachable(parent) : descent.named(parent);
    if (place === undefined) return unshared;
    return { parentIndex: parent, place, how: alone && lineage.isHead(place) ? "continue" : "fork" };
  };
  const planned: PlannedBox[] = [];
  for (const [offset, parent] of parents.entries()) planned.push(await planBox(parent, offset));
  return planned;
}

/** Undefined where the parent can be descended from, if need be now that its checkpoint was brought here; else what is done without it. */
async function recoverParent(parent: number, context: PlanBoxesContext): Promise<PlannedBox | undefined> {
  const { descent, lineage, memory, fetch, onlyMemory } = context;
  const place = descent.lost(parent);
  if (place === undefined) return undefined;
  const checkpoint = memory.checkpointOf(parent);
  if (checkpoint === undefined)
    return withoutBox(`the box of iteration ${parent} is gone and has no checkpoint`, context);
  const gone = `the box of iteration ${parent} is gone, and its checkpoint ${checkpoint.checkpointId} is not on this machine`;
  if (checkpoint.stored === undefined) return withoutBox(gone, context);
  let mode: CheckpointMode;
  try {
    mode = await fetch(checkpoint);
  } catch (error) {
    // Whether the box was lost is a question of the sandbox; a store that fails ends the loop.
    if (!SkeinError.is(error) || error.kind !== "sandbox") throw error;
    return withoutBox(`${gone} and cannot be taken out of the store: ${error.message.replace(/\.$/, "")}`, context);
  }
  if (onlyMemory && mode !== "memory")
    return withoutBox(
      `${gone}; what came from the store are its files alone, and this loop forks nothing but memory`,
      context,
    );
  memory.adoptCheckpoint({ ...checkpoint, mode }, place, lineage);
  return undefined;
}

function withoutBox(why: string, { freshWhenLost }: PlanBoxesContext): PlannedBox {
  if (freshWhenLost) return { reason: `begun afresh: ${why}` };
  throw new ValidationError(
    "conversation_gone",
    `The loop cannot go on from where it was: ${why}. Resume it on the machine that has them, or with onLostBox "fresh" to go on in a fresh box.`,
  );
}
