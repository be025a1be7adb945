import { StoreError } from "../errors.ts";
import type { StoredEvent } from "../event/event.ts";
import { killPoint } from "../internal/kill-point.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import { DeliveryQueue } from "./delivery-queue.ts";
import type { RunResult, StreamTaskOptions } from "./stream-options.ts";
import { validateStreamOptions } from "./stream-options.ts";
import { TaskRun } from "./task-run.ts";

/**
 * Runs one task in a backend and yields its events, each one stored before it is seen, from `run.started` to the one `final`.
 *
 * The run begins with the first event that is asked for. The iterator ends after `final`, also when the run failed or was aborted;
 * leaving it early (`break`, `return`) aborts the run and waits until its `final` is stored. A slow consumer slows its own backend.
 *
 * @throws ValidationError before anything ran; StoreError, FencedError where the run's end could not be stored (its own failure is in `suppressed`)
 * @stable
 */
export function streamTask(options: StreamTaskOptions): AsyncIterable<StoredEvent> {
  return new TaskStream(options);
}

/**
 * Runs one task to its end and says how it ended. A failed agent is a result, not an exception.
 *
 * @throws ValidationError, StoreError, FencedError as {@link streamTask} does
 * @stable
 */
export async function runTask(options: StreamTaskOptions): Promise<RunResult> {
  for await (const event of streamTask(options)) {
    if (event.type === "final") {
      const { runId, sessionId, status, reason, text, error, suppressed, usage, durationMs } = event;
      return {
        runId,
        sessionId,
        status,
        reason,
        ...(text === undefined ? {} : { text }),
        ...(error === undefined ? {} : { error }),
        ...(suppressed === undefined ? {} : { suppressed }),
        usage,
        durationMs,
      };
    }
  }
  throw new StoreError("store_failed", "The run's stream ended without a final event.");
}

/** The consumer's side of a run: pulls from the queue, starts the run with the first pull and aborts it when the consumer leaves. */
class TaskStream implements AsyncIterableIterator<StoredEvent> {
  readonly #options: StreamTaskOptions;
  readonly #queue = new DeliveryQueue((count) => this.#run?.delivered(count));
  #run: TaskRun | undefined;
  #done: Promise<void> | undefined;
  #left = false;

  constructor(options: StreamTaskOptions) {
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<StoredEvent, undefined>> {
    if (this.#left) return Promise.resolve({ value: undefined, done: true });
    if (this.#run !== undefined) killPoint("after-delivery");
    this.#done ??= this.#begin();
    return this.#queue.take();
  }

  #begin(): Promise<void> {
    const done = this.#execute().then(
      () => this.#queue.end({}),
      (error: unknown) => {
        this.#queue.end({ error });
        throw error;
      },
    );
    // The queue tells the consumer; `return` awaits the promise itself.
    done.catch(() => {});
    return done;
  }

  async return(): Promise<IteratorResult<StoredEvent, undefined>> {
    this.#left = true;
    this.#run?.leave();
    await this.#done;
    return { value: undefined, done: true };
  }

  async #execute(): Promise<void> {
    const spec = validateStreamOptions(this.#options);
    const store = this.#options.store ?? (await openMemoryStore());
    try {
      this.#run = new TaskRun(this.#options, spec, store, (events) => this.#queue.put(events));
      if (this.#left) this.#run.leave();
      await this.#run.execute();
    } finally {
      if (this.#options.store === undefined) await store.close();
    }
  }
}
