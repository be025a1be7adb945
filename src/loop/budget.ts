import { BackendError, ValidationError } from "../errors.ts";
import type { Usage } from "../event/event.ts";
import { addUsage, totalTokens } from "../event/usage.ts";
import type { CallAllowance } from "../sandbox/box-gateway.ts";
import type { LoopBudget } from "./loop-types.ts";

/** Which limit of the budget is used up; undefined when none is (K11). */
function exhaustedLimit(budget: LoopBudget, usage: Usage, elapsedMs: number): keyof LoopBudget | undefined {
  if (budget.maxCostUsd !== undefined && (usage.costUsd ?? 0) >= budget.maxCostUsd) return "maxCostUsd";
  if (budget.maxTokens !== undefined && (totalTokens(usage) ?? 0) >= budget.maxTokens) return "maxTokens";
  if (budget.maxDurationMs !== undefined && elapsedMs >= budget.maxDurationMs) return "maxDurationMs";
  return undefined;
}

/** What a turn that is under way took by now. It counts towards the loop's budget until its iteration's end does. */
export interface TurnAllowance extends CallAllowance {
  /** The iteration's end is on record. From now on nothing more may be asked in its name. */
  close(): void;
}

/**
 * The budget of a loop, over all its boxes at once (K11): looked at before each iteration, and by a gateway before each call of a model, with what the
 * turns in flight took by now.
 */
export class LoopAllowance {
  readonly #budget: LoopBudget;
  readonly #recorded: () => Usage;
  readonly #elapsedMs: () => number;
  readonly #turns = new Map<TurnAllowance, Usage>();
  #missing: "cost" | "tokens" | undefined;

  /** @param recorded what the log counts, over all runs @param elapsedMs of all runs */
  constructor(budget: LoopBudget, recorded: () => Usage, elapsedMs: () => number) {
    this.#budget = budget;
    this.#recorded = recorded;
    this.#elapsedMs = elapsedMs;
  }

  /** True where nothing more may be begun. */
  get isExhausted(): boolean {
    return this.#exhausted !== undefined;
  }

  /** @param earlier what the turn took in a run that was interrupted; undefined where the loop has no budget */
  beginTurn(earlier: Usage): TurnAllowance | undefined {
    if (Object.values(this.#budget).every((limit) => limit === undefined)) return undefined;
    const turn: TurnAllowance = {
      refusal: () =>
        this.#turns.has(turn)
          ? this.#refusal()
          : new BackendError(
              "budget_exhausted",
              "The turn is over, and the loop has a budget: nothing counts for it any more.",
            ),
      spend: (usage, isWhole) => {
        const taken = this.#turns.get(turn);
        if (taken !== undefined) this.#turns.set(turn, addUsage(taken, usage));
        if (isWhole) this.#missing ??= missingIn(this.#budget, usage);
      },
      close: () => void this.#turns.delete(turn),
    };
    this.#turns.set(turn, earlier);
    return turn;
  }

  /**
   * A budget over something that nobody reports would never stop anything.
   *
   * @param usage of an iteration that came to its end; undefined of one that did not
   * @throws ValidationError `budget_unmeasured`
   */
  requireMeasured(usage: Usage | undefined, agentRunName: string): void {
    const missing = this.#missing ?? (usage === undefined ? undefined : missingIn(this.#budget, usage));
    if (missing === undefined) return;
    throw new ValidationError(
      "budget_unmeasured",
      `The loop has a budget of ${missing}, but the agent ${agentRunName} reports none: limit maxIterations or maxDurationMs instead${missing === "cost" ? ", or give the model's price" : ""}.`,
    );
  }

  get #exhausted(): keyof LoopBudget | undefined {
    const usage = [...this.#turns.values()].reduce(addUsage, this.#recorded());
    return exhaustedLimit(this.#budget, usage, this.#elapsedMs());
  }

  #refusal(): Error | undefined {
    const limit = this.#exhausted;
    if (limit !== undefined)
      return new BackendError(
        "budget_exhausted",
        `The loop's budget is used up (${limit} ${this.#budget[limit]}). Raise it and resume, or take what is there.`,
      );
    if (this.#missing === undefined) return undefined;
    return new ValidationError(
      "budget_unmeasured",
      `The loop has a budget of ${this.#missing}, but the model's provider reports none.`,
    );
  }
}

function missingIn(budget: LoopBudget, usage: Usage): "cost" | "tokens" | undefined {
  if (budget.maxCostUsd !== undefined && usage.costUsd === undefined) return "cost";
  return budget.maxTokens !== undefined && totalTokens(usage) === undefined ? "tokens" : undefined;
}
