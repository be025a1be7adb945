import type { Driver } from "../loop-types.ts";
import { requireCount } from "../../internal/require-count.ts";

/**
 * k independent samples of one task, and the best of them. Independent by construction: a loop with a lineage flag refuses it.
 *
 * @stable
 */
export function randomK<Task = never, Output = never>(k: number): Driver<Task, Output, "pick-winner"> {
  requireCount("k", k);
  return {
    name: "randomK",
    independent: true,
    plan: (task, history) => (history.length === 0 ? Array.from({ length: k }, () => task) : []),
    decide: () => "pick-winner",
  };
}
