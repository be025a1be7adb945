import type { Driver, Iteration } from "../loop-types.ts";
import { requireCount } from "../../internal/require-count.ts";

export interface FanoutOptions<Task> {
  /** Tasks in a round. */
  readonly k: number;
  /** The most rounds of k tasks. Default 1. */
  readonly rounds?: number;
  /**
   * Begin with one task alone, so that the k tasks have a parent to fork: what it installed, read and tried is then theirs.
   * Default false.
   */
  readonly prepare?: boolean;
  /** The tasks of a round. Default: the same task k times. */
  split?(task: Task, k: number, history: readonly Iteration<Task, unknown>[]): readonly Task[];
}

/**
 * Several attempts side by side, for one or more rounds, until one is valid.
 *
 * @stable
 */
// oxlint-disable-next-line no-explicit-any -- a callback that is not annotated takes what the loop works on
export function fanout<Task = any, Output = any>(
  options: FanoutOptions<Task>,
): Driver<Task, Output, "pick-winner" | "fanout"> {
  const k = requireCount("k", options.k);
  const rounds = requireCount("rounds", options.rounds ?? 1) + (options.prepare === true ? 1 : 0);
  return {
    name: "fanout",
    plan(task, history) {
      if (options.prepare === true && history.length === 0) return [task];
      return options.split?.(task, k, history) ?? Array.from({ length: k }, () => task);
    },
    decide(history) {
      if (history.some(({ verdict }) => verdict?.valid === true)) return "pick-winner";
      return (history.at(-1)?.round ?? 0) + 1 >= rounds ? "pick-winner" : "fanout";
    },
  };
}
