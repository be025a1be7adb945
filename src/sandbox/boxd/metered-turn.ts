import type { BoxEvent } from "../../event/event.ts";
import { BackendError, isAbortError, SkeinError } from "../../errors.ts";
import { linkSignals, onAbort } from "../../internal/abort.ts";
import type { CallAllowance, GatewayLine } from "../box-gateway.ts";

/**
 * A turn whose agent calls models through a gateway: between the agent's events come those of the gateway, as they happen. What the gateway metered
 * is what counts; what the agent reports by itself is kept beside it and not added. A turn whose last model call failed has failed, whatever the
 * agent makes of it.
 *
 * @param follow the turn's events; it ends the turn when the signal fires
 */
export async function* meterTurn(
  line: GatewayLine,
  { signal, allowance }: { readonly signal: AbortSignal | undefined; readonly allowance: CallAllowance | undefined },
  follow: (signal: AbortSignal) => AsyncGenerator<BoxEvent, void, undefined>,
): AsyncGenerator<BoxEvent, void, undefined> {
  const { controller, unlink } = linkSignals(signal);
  const off = onAbort(controller.signal, () => line.refuseCalls());
  line.beginTurn(allowance);
  const turn = follow(controller.signal);
  try {
    for (let next = watch(turn.next()); ;) {
      await new Promise<void>((resolve) => {
        line.onNews(resolve);
        void next.settled.then(resolve);
      });
      for (const body of line.take()) yield body;
      if (!next.isSettled()) continue;
      const item = await next.promise;
      if (item.done === true) break;
      yield item.value.type === "usage.reported" ? toAgentsOwn(item.value) : item.value;
      next = watch(turn.next());
    }
  } catch (error) {
    for (const body of line.take()) yield body;
    throw explain(error, line.failure());
  } finally {
    off();
    unlink();
    // Whoever leaves early does not want the rest, and a generator that waits is only reached by its signal.
    controller.abort();
    await turn.return().catch(() => {});
  }
  const failure = line.failure();
  if (failure !== undefined) throw failure;
}

/** A promise of which can be said whether it is settled. What it fails with is heard by whoever awaits it. */
function watch<T>(promise: Promise<T>): {
  readonly promise: Promise<T>;
  readonly settled: Promise<void>;
  isSettled(): boolean;
} {
  let isSettled = false;
  const settle = (): void => void (isSettled = true);
  return { promise, settled: promise.then(settle, settle), isSettled: () => isSettled };
}

function toAgentsOwn(event: BoxEvent & { type: "usage.reported" }): BoxEvent {
  const { type: _type, turn, ...usage } = event;
  return { type: "custom", name: "agent.usage", data: usage, ...(turn === undefined ? {} : { turn }) };
}

/** An agent that failed because its model did says so in words of its own; the model's failure is the one that helps. */
function explain(error: unknown, failure: Error | undefined): unknown {
  if (failure === undefined || isAbortError(error) || !SkeinError.is(error) || error.kind !== "backend") return error;
  if (!SkeinError.is(failure)) return error;
  return new BackendError(failure.code, failure.message, { cause: error, retryable: failure.retryable });
}
