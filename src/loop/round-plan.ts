import { ValidationError } from "../errors.ts";
import { cloneJson } from "../event/clone-json.ts";
import type { Plan } from "./loop-types.ts";

/** A plan in one form: a parent for each task, or none named. */
export interface RoundPlan<Task> {
  readonly tasks: readonly Task[];
  readonly parents?: readonly number[];
  readonly keep?: readonly number[];
  readonly firstValid: boolean;
  readonly rationale?: string;
  /** How many tasks did not fit what is left of `maxIterations`. */
  readonly cut: number;
}

function refuse(message: string): never {
  throw new ValidationError("plan_invalid", message);
}

function requireIndexes(name: string, value: unknown, ended: number): readonly number[] {
  if (!Array.isArray(value)) return refuse(`A plan's ${name} is a list of iteration indexes.`);
  for (const index of value as unknown[]) {
    if (!Number.isInteger(index) || (index as number) < 0 || (index as number) >= ended) {
      refuse(`A plan's ${name} names the iteration ${String(index)}, but only 0 to ${ended - 1} have ended.`);
    }
  }
  return value as number[];
}

/**
 * Reads what a driver planned, and cuts it to what is left.
 *
 * @param ended how many iterations have ended so far
 * @throws ValidationError `plan_invalid`
 */
export function parsePlan<Task>(plan: Plan<Task>, ended: number, left: number): RoundPlan<Task> {
  const named = Array.isArray(plan)
    ? { tasks: plan as readonly Task[] }
    : (plan as Exclude<Plan<Task>, readonly Task[]>);
  if (typeof named !== "object" || named === null || !Array.isArray(named.tasks))
    refuse("A driver plans a list of tasks, or an object with tasks.");
  const { tasks, parentIndex, keep, endWhen = "all", rationale } = named;
  for (const task of tasks) cloneJson(task);
  if (endWhen !== "all" && endWhen !== "first-valid")
    refuse(`A plan's endWhen is "all" or "first-valid", not ${String(endWhen)}.`);
  const parents =
    parentIndex === undefined
      ? undefined
      : requireIndexes(
          "parentIndex",
          typeof parentIndex === "number" ? tasks.map(() => parentIndex) : parentIndex,
          ended,
        );
  if (parents !== undefined && parents.length !== tasks.length) {
    refuse(
      `A plan names ${parents.length} parents for ${tasks.length} tasks; name one for the round or one for each task.`,
    );
  }
  const kept = tasks.slice(0, Math.max(0, left));
  return {
    tasks: kept,
    ...(parents === undefined ? {} : { parents: parents.slice(0, kept.length) }),
    ...(keep === undefined ? {} : { keep: requireIndexes("keep", keep, ended) }),
    firstValid: endWhen === "first-valid",
    ...(rationale === undefined ? {} : { rationale }),
    cut: tasks.length - kept.length,
  };
}
