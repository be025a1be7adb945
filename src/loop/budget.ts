import { ValidationError } from "../errors.ts";
import type { Usage } from "../event/event.ts";
import { totalTokens } from "../event/usage.ts";
import type { LoopBudget } from "./loop-types.ts";

/** Which limit of the budget is used up; undefined when none is (K11). */
export function exhaustedLimit(budget: LoopBudget, usage: Usage, elapsedMs: number): keyof LoopBudget | undefined {
  if (budget.maxCostUsd !== undefined && (usage.costUsd ?? 0) >= budget.maxCostUsd) return "maxCostUsd";
  if (budget.maxTokens !== undefined && (totalTokens(usage) ?? 0) >= budget.maxTokens) return "maxTokens";
  if (budget.maxDurationMs !== undefined && elapsedMs >= budget.maxDurationMs) return "maxDurationMs";
  return undefined;
}

/**
 * A budget over something that the agent does not report would never stop anything.
 *
 * @throws ValidationError `budget_unmeasured`
 */
export function requireMeasured(budget: LoopBudget, usage: Usage, agentRunName: string): void {
  const missing =
    budget.maxCostUsd !== undefined && usage.costUsd === undefined
      ? "cost"
      : budget.maxTokens !== undefined && totalTokens(usage) === undefined
        ? "tokens"
        : undefined;
  if (missing !== undefined) {
    throw new ValidationError(
      "budget_unmeasured",
      `The loop has a budget of ${missing}, but the agent ${agentRunName} reports none: limit maxIterations or maxDurationMs instead.`,
    );
  }
}
