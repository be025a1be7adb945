import { throwIfAborted } from "./abort.ts";
import { requireCount } from "./require-count.ts";

/**
 * Maps `items` through `fn` with at most `limit` calls at a time and returns the results in the order of the items.
 *
 * The signal is looked at before each call; calls that have begun are always awaited, so nothing runs on unseen.
 * The first failure (or the abort) stops further calls from starting and rejects once those in flight have ended.
 *
 * @param limit a whole number of at least 1; anything else is a `ValidationError('invalid_option')`
 * @stable
 */
export async function mapWithConcurrency<Item, Result>(
  items: readonly Item[],
  limit: number,
  fn: (item: Item, index: number) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result[]> {
  requireCount("A concurrency limit", limit);
  if (items.length === 1) {
    throwIfAborted(signal);
    return [await fn(items[0] as Item, 0)];
  }
  const results = new Array<Result>(items.length);
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    while (!failed && next < items.length) {
      const index = next++;
      try {
        throwIfAborted(signal);
        results[index] = await fn(items[index] as Item, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const workers = Array.from({ length: Math.min(limit, items.length) }, worker);
  const settled = await Promise.allSettled(workers);
  for (const outcome of settled) if (outcome.status === "rejected") throw outcome.reason;
  return results;
}
