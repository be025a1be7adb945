import { setTimeout as delay } from "node:timers/promises";
import { throwIfAborted } from "../internal/abort.ts";
import type { Box } from "../sandbox/sandbox.ts";

/** How often a box is asked for in all. More would only hide a provider that is down. */
const MAX_TRIES = 3;
/** The longest first wait; each further one is twice as long. */
const FIRST_WAIT_MS = 500;

/** How long creations wait before they are tried again; replaced in tests. @experimental */
export interface RetryTiming {
  /** Resolves after `ms`, or rejects when the signal fires. Default: a timer. */
  readonly delay?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  /** From 0 to 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/** A creation that failed and will be tried again. */
export interface FailedTry {
  /** From 1. */
  readonly attempt: number;
  readonly error: unknown;
  readonly waitMs: number;
}

async function waitOnTimer(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(ms, undefined, signal === undefined ? {} : { signal });
}

/** True where whoever threw it says that the same call may succeed later: a quota, a host that is busy. */
function isRetryable(error: unknown): boolean {
  return typeof error === "object" && error !== null && (error as { retryable?: unknown }).retryable === true;
}

/**
 * Asks for a box, and asks again after a wait where the failure is retryable. Waits grow and are drawn at random from their upper half,
 * so that the branches of a round that met the same quota do not come back at the same moment.
 *
 * @throws what the last try threw; an AbortError as soon as the signal fires between tries
 */
export async function retryCreation(
  make: () => Promise<Box>,
  signal: AbortSignal | undefined,
  onFailedTry: (failed: FailedTry) => void,
  { delay: wait = waitOnTimer, random = Math.random }: RetryTiming,
): Promise<Box> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await make();
    } catch (error) {
      throwIfAborted(signal);
      if (attempt >= MAX_TRIES || !isRetryable(error)) throw error;
      const longest = FIRST_WAIT_MS * 2 ** (attempt - 1);
      const waitMs = Math.round(longest * (0.5 + random() / 2));
      onFailedTry({ attempt, error, waitMs });
      await wait(waitMs, signal).catch((thrown: unknown) => {
        throwIfAborted(signal);
        throw thrown;
      });
      throwIfAborted(signal);
    }
  }
}
