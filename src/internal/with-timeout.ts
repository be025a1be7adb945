/** How a bounded wait ended. */
export type Timed<T> = { readonly done: true; readonly value: T } | { readonly done: false };

/**
 * Waits for `work` for at most `timeoutMs`. A rejection of `work` in time is passed on; one that comes later is swallowed,
 * for nobody is left to hear it.
 */
export function withTimeout<T>(work: Promise<T>, timeoutMs: number): Promise<Timed<T>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve({ done: false }), timeoutMs);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve({ done: true, value });
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
