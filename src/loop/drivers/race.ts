import type { Driver } from "../loop-types.ts";
import { requireCount } from "../../internal/require-count.ts";

/**
 * k attempts side by side; the first valid one wins and the others are aborted. Without a valid one, the best of all.
 *
 * @stable
 */
export function race<Task = never, Output = never>(k: number): Driver<Task, Output, "pick-winner"> {
  requireCount("k", k);
  return {
    name: "race",
    plan: (task, history) =>
      history.length > 0 ? [] : { tasks: Array.from({ length: k }, () => task), endWhen: "first-valid" },
    decide: () => "pick-winner",
  };
}
