import type { Usage } from "../event/event.ts";
import { addUsage } from "../event/usage.ts";
import type { Iteration } from "./loop-types.ts";

/** Where a loop's tokens and cost went. What nobody reported stays absent (L10). @stable */
export interface UsageReport {
  /** Of all iterations, losers included. */
  readonly total: Usage;
  /** By the iteration's index. */
  readonly byIteration: readonly Usage[];
  /** What it took to get to an iteration: its own and that of all iterations it descends from. */
  readonly byBranch: readonly Usage[];
  /** By the model's name; `""` for reports that name none. */
  readonly byModel: Readonly<Record<string, Usage>>;
}

/**
 * Adds up what the iterations of a loop reported.
 *
 * @stable
 */
export function reportUsage(iterations: readonly Iteration<unknown, unknown>[]): UsageReport {
  let total: Usage = {};
  const byBranch: Usage[] = [];
  const byModel: Record<string, Usage> = {};
  for (const { index, parentIndex, usage, events } of iterations) {
    total = addUsage(total, usage);
    byBranch[index] = parentIndex === undefined ? usage : addUsage(byBranch[parentIndex] ?? {}, usage);
    for (const event of events) {
      if (event.type !== "usage.reported") continue;
      const model = event.model ?? "";
      byModel[model] = addUsage(byModel[model] ?? {}, event);
    }
  }
  return { total, byIteration: iterations.map(({ usage }) => usage), byBranch, byModel };
}
