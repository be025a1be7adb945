import { BackendError, ValidationError } from "../../errors.ts";
import type { Usage } from "../../event/event.ts";
import type { ModelPrices } from "../../event/model-price.ts";
import { parseModelPrices, priceUsage } from "../../event/model-price.ts";
import { addUsage, totalTokens } from "../../event/usage.ts";
import type { GatewayBudget, ModelGatewayOptions } from "./gateway-options.ts";

/** What all calls took together, against what they may take. */
export class Spending {
  readonly #budget: GatewayBudget;
  readonly #prices: ModelPrices;
  #spent: Usage;
  #unmeasured: "cost" | "tokens" | undefined;

  constructor({ budget = {}, prices = {}, spent = {} }: ModelGatewayOptions) {
    this.#budget = budget;
    this.#prices = parseModelPrices(prices, "prices of the gateway");
    this.#spent = spent;
  }

  /** Why no further call may be made (K11); undefined: one may. */
  refusal(): Error | undefined {
    const { maxCostUsd, maxTokens } = this.#budget;
    const cost = this.#spent.costUsd ?? 0;
    const tokens = totalTokens(this.#spent) ?? 0;
    if (maxCostUsd !== undefined && cost >= maxCostUsd)
      return exhausted(`${cost} of ${maxCostUsd} US dollars are spent`);
    if (maxTokens !== undefined && tokens >= maxTokens) return exhausted(`${tokens} of ${maxTokens} tokens are used`);
    if (this.#unmeasured === undefined) return undefined;
    return new ValidationError(
      "budget_unmeasured",
      this.#unmeasured === "cost"
        ? "There is a budget of cost, but neither the model's provider reports a cost nor is a price given for it; give the model's price, or limit tokens."
        : "There is a budget of tokens, but the model's provider reports none; limit the time instead.",
    );
  }

  /** Takes a call in. @param own prices of the box that made it @param isWhole it came to its end, so that what is missing now was never told @returns its usage, with the cost where one can be told */
  add(usage: Usage, models: readonly (string | undefined)[], own: ModelPrices, isWhole: boolean): Usage {
    const costUsd = usage.costUsd ?? priceUsage(usage, models, own) ?? priceUsage(usage, models, this.#prices);
    const whole: Usage = { ...usage, ...(costUsd === undefined ? {} : { costUsd }) };
    this.#spent = addUsage(this.#spent, whole);
    if (isWhole && this.#budget.maxCostUsd !== undefined && costUsd === undefined) this.#unmeasured = "cost";
    if (isWhole && this.#budget.maxTokens !== undefined && totalTokens(usage) === undefined)
      this.#unmeasured = "tokens";
    return whole;
  }
}

function exhausted(what: string): BackendError {
  return new BackendError(
    "budget_exhausted",
    `The budget is used up: ${what}. Raise it and resume, or take what is there.`,
  );
}
