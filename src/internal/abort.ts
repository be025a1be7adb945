import { AbortError, isAbortError } from "../errors.ts";

/** The signal's reason as an AbortError; a reason that is one already is kept. */
export function toAbortError(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  if (reason instanceof Error && isAbortError(reason)) return reason;
  if (reason instanceof Error) return new AbortError(`The work was aborted: ${reason.message}`, { cause: reason });
  if (typeof reason === "string" && reason !== "") return new AbortError(`The work was aborted: ${reason}`);
  return new AbortError();
}

/** Throws the signal's AbortError if it has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw toAbortError(signal);
}

/**
 * Runs `listener` once when the signal fires, at once if it has fired already.
 * Returns the function that takes the listener off again.
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    listener();
    return () => {};
  }
  signal.addEventListener("abort", listener, { once: true });
  return () => signal.removeEventListener("abort", listener);
}

/** Settles as `promise` does, or rejects with the signal's AbortError as soon as it fires; the promise itself goes on. */
export function raceAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const off = onAbort(signal, () => reject(toAbortError(signal)));
    promise.then(
      (value) => {
        off();
        resolve(value);
      },
      (error: unknown) => {
        off();
        reject(error);
      },
    );
  });
}

/** What `answer` comes to, or the signal's AbortError where that comes first; an answer that is there needs no race. */
export function settleOrAbort<T>(answer: T | PromiseLike<T>, signal: AbortSignal | undefined): T | Promise<T> {
  const isPending = typeof (answer as { readonly then?: unknown } | null | undefined)?.then === "function";
  return isPending ? raceAbort(Promise.resolve(answer as PromiseLike<T>), signal) : (answer as T);
}

/** A signal of its own that fires with any of the given ones; `unlink` takes its listeners off again, so that a long-lived signal does not gather them. */
export function linkSignals(...sources: readonly (AbortSignal | undefined)[]): {
  readonly controller: AbortController;
  unlink(): void;
} {
  const controller = new AbortController();
  const offs = sources.map((source) => onAbort(source, () => controller.abort(source?.reason)));
  return {
    controller,
    unlink() {
      for (const off of offs) off();
    },
  };
}
