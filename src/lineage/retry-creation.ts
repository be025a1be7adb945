import { setTimeout as delay } from "node:timers/promises";
import { throwIfAborted } from "../internal/abort.ts";
import type { Box } from "../sandbox/sandbox.ts";

/** How often a box is asked for in all, unless it is a quota that is waited for. More would only hide a provider that is down. */
const MAX_TRIES = 3;
/** The longest first wait; each further one is twice as long. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;

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

/** For whom a box is asked for. */
export interface CreationRetry {
  readonly signal: AbortSignal | undefined;
  readonly onFailedTry: (failed: FailedTry) => void;
  /** Milliseconds that may still be waited for a quota. Default: no limit. */
  readonly remainingMs?: (() => number) | undefined;
}

async function waitOnTimer(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(ms, undefined, signal === undefined ? {} : { signal });
}

const fieldsOf = (
  error: unknown,
): { readonly retryable?: unknown; readonly code?: unknown; readonly status?: unknown } =>
  typeof error === "object" && error !== null ? error : {};

/** True where whoever threw it says that the same call may succeed later, such as a host that is busy. */
function isRetryable(error: unknown): boolean {
  return fieldsOf(error).retryable === true;
}

/** True where the provider is well and only has no room now: waiting is all that helps, and it helps in the end. */
function isQuota(error: unknown): boolean {
  const { code, status } = fieldsOf(error);
  return code === "box_quota" || status === 429;
}

/**
 * Asks for a box, and asks again after a wait where the failure is retryable: three times in all, but without a count where a quota is used up.
 * Waits grow and are drawn at random from their upper half, so that the branches of a round that met the same quota do not come back at the same moment.
 *
 * @throws what the last try threw; an AbortError as soon as the signal fires between tries
 */
export async function retryCreation(
  make: () => Promise<Box>,
  { signal, onFailedTry, remainingMs = () => Number.POSITIVE_INFINITY }: CreationRetry,
  { delay: wait = waitOnTimer, random = Math.random }: RetryTiming,
): Promise<Box> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await make();
    } catch (error) {
      throwIfAborted(signal);
      const left = remainingMs();
      const mayComeBack = isQuota(error) ? left > 0 : attempt < MAX_TRIES && isRetryable(error);
      if (!mayComeBack) throw error;
      const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1));
      const waitMs = Math.min(Math.round(longest * (0.5 + random() / 2)), Math.ceil(left));
      onFailedTry({ attempt, error, waitMs });
      await wait(waitMs, signal).catch((thrown: unknown) => {
        throwIfAborted(signal);
        throw thrown;
      });
      throwIfAborted(signal);
    }
  }
}
