import { BackendError } from "../errors.ts";
import { killPoint } from "../internal/kill-point.ts";
import { withTimeout } from "../internal/with-timeout.ts";
import type { Backend } from "../backend/backend.ts";
import type { Session } from "../store/session-store.ts";

/** How long an iterator that was told to return may take before it is left behind. */
const RETURN_GRACE_MS = 1000;

/**
 * Ends what a backend holds: its iterator is told to return, its `stop` is called once, both bounded in time.
 * Never throws; gives what failed, for `final.suppressed`.
 */
export async function cleanUpBackend(
  backend: Backend,
  session: Session,
  reason: string,
  iterator: AsyncIterator<unknown> | undefined,
  stopTimeoutMs: number,
): Promise<unknown[]> {
  const failures: unknown[] = [];
  const returned = (async () => {
    if (iterator?.return === undefined) return;
    try {
      const done = withTimeout(Promise.resolve(iterator.return()), Math.min(RETURN_GRACE_MS, stopTimeoutMs));
      await done;
    } catch (error) {
      failures.push(error);
    }
  })();
  if (backend.stop !== undefined) {
    try {
      const stopping = (async () => backend.stop?.(session, reason))();
      killPoint("in-stop");
      const stopped = await withTimeout(stopping, stopTimeoutMs);
      if (!stopped.done) {
        failures.push(
          new BackendError(
            "backend_stop_timeout",
            `The stop of the backend ${backend.kind} did not return within ${stopTimeoutMs} ms and was left behind.`,
          ),
        );
      }
    } catch (error) {
      failures.push(error);
    }
  }
  await returned;
  return failures;
}
