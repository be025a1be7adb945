/** How a bounded wait ended. */
export type Timed<T> = { readonly done: true; readonly value: T } | { readonly done: false };

/**
 * Waits for `work` for at most `timeoutMs`. A rejection of `work` in time is passed on; one that comes later is swallowed,
 * for nobody is left to hear it.
 */
export async function withTimeout<T>(work: Promise<T>, timeoutMs: number): Promise<Timed<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Timed<T>>((resolve) => {
    timer = setTimeout(() => resolve({ done: false }), timeoutMs);
  });
  work.catch(() => {});
  try {
    return await Promise.race([work.then((value): Timed<T> => ({ done: true, value })), late]);
  } finally {
    clearTimeout(timer);
  }
}
