/** Runs at most `limit` functions at a time; the others wait in the order of their calls. */
export type Limiter = <T>(fn: () => Promise<T>) => Promise<T>;

export function createLimiter(limit: number): Limiter {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (fn) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await fn();
    } finally {
      // The slot is handed on, so nobody who comes in between can take it.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
