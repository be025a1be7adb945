import { ValidationError } from "../errors.ts";
import type { Usage } from "./event.ts";

/**
 * US dollars for a million tokens.
 *
 * @experimental
 */
export interface ModelPrice {
  readonly inputUsd: number;
  readonly outputUsd: number;
  /** Of input that was read from a cache. Default: `inputUsd`. */
  readonly cachedUsd?: number;
}

/**
 * By the model's name, as it is asked for or answers.
 *
 * @experimental
 */
export type ModelPrices = Readonly<Record<string, ModelPrice>>;

/**
 * What a call cost by the price of the first of its names that has one. Undefined, and never 0, where there is no price, or a count that it needs was
 * not reported (L10).
 */
export function priceUsage(
  { inputTokens, outputTokens, cachedTokens = 0 }: Usage,
  models: readonly (string | undefined)[],
  prices: ModelPrices,
): number | undefined {
  const name = models.find((model) => model !== undefined && Object.hasOwn(prices, model));
  const price = name === undefined ? undefined : prices[name];
  if (price === undefined || inputTokens === undefined || outputTokens === undefined) return undefined;
  const { inputUsd, outputUsd, cachedUsd = inputUsd } = price;
  const fresh = Math.max(0, inputTokens - cachedTokens);
  return (fresh * inputUsd + cachedTokens * cachedUsd + outputTokens * outputUsd) / 1_000_000;
}

const REQUIRED = ["inputUsd", "outputUsd"] as const;
const FIELDS: ReadonlySet<string> = new Set([...REQUIRED, "cachedUsd"]);

/**
 * @param where the prices stand, for the error's sentence
 * @throws ValidationError `invalid_option`
 */
export function parseModelPrices(value: unknown, where: string): ModelPrices {
  const refuse = (why: string): never => {
    throw new ValidationError(
      "invalid_option",
      `${where}: ${why}. Prices are { "model": { "inputUsd": 3, "outputUsd": 15, "cachedUsd": 0.3 } }, in US dollars for a million tokens.`,
    );
  };
  const isObject = (one: unknown): one is Record<string, unknown> =>
    typeof one === "object" && one !== null && !Array.isArray(one);
  if (!isObject(value)) return refuse("these are no prices by the names of models");
  for (const [model, price] of Object.entries(value)) {
    const name = JSON.stringify(model);
    if (!isObject(price)) return refuse(`the price of ${name} is no object`);
    for (const field of REQUIRED) if (price[field] === undefined) return refuse(`the price of ${name} has no ${field}`);
    for (const [field, usd] of Object.entries(price)) {
      if (!FIELDS.has(field)) return refuse(`the price of ${name} has a field ${JSON.stringify(field)} that is none`);
      if (typeof usd !== "number" || !Number.isFinite(usd) || usd < 0)
        return refuse(`${field} of ${name} is not a number of at least 0`);
    }
  }
  return value as ModelPrices;
}
