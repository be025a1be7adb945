import type { Driver, Iteration } from "../loop-types.ts";
import { requireCount } from "../../internal/require-count.ts";

export interface RefineOptions<Task> {
  /** Rounds in a row without a better score before it stops. Default 3. */
  readonly patience?: number;
  /** The next round's task, from the first one and the attempt before. Default: the same task again. */
  next?(task: Task, previous: Iteration<Task, unknown>): Task;
}

/** How many of the latest iterations did not score higher than every one before them. */
function roundsWithoutGain(history: readonly Iteration<unknown, unknown>[]): number {
  let best = Number.NEGATIVE_INFINITY;
  let without = 0;
  for (const { verdict } of history) {
    const score = verdict?.score ?? Number.NEGATIVE_INFINITY;
    without = score > best ? 0 : without + 1;
    best = Math.max(best, score);
  }
  return without;
}

/**
 * One attempt after the other, until one is valid or nothing got better for `patience` rounds.
 * Without a validator the first attempt that gives an output is the last.
 *
 * @stable
 */
// oxlint-disable-next-line no-explicit-any -- a callback that is not annotated takes what the loop works on
export function refine<Task = any, Output = any>(
  options: RefineOptions<Task> = {},
): Driver<Task, Output, "done" | "stop" | "refine"> {
  const patience = requireCount("patience", options.patience ?? 3);
  return {
    name: "refine",
    plan(task, history) {
      const previous = history.at(-1);
      return [previous === undefined || options.next === undefined ? task : options.next(task, previous)];
    },
    decide(history) {
      const last = history.at(-1);
      if (
        last?.verdict?.valid === true ||
        (last?.verdict === undefined && last?.output !== undefined && last.error === undefined)
      )
        return "done";
      return roundsWithoutGain(history) >= patience ? "stop" : "refine";
    },
  };
}
