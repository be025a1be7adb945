import { SkeinError } from "../errors.ts";
import type { BoxEvent, StoredEvent } from "../event/event.ts";
import { killPoint } from "../internal/kill-point.ts";
import { shareTurn } from "../internal/share-turn.ts";
import type { SessionWriter } from "../store/session-store.ts";

/** The largest batch that is appended at once, in events. */
const MAX_BATCH = 512;

/** Events between the backend and the consumer, stored or not, before the backend has to wait. */
export const HIGH_WATER = 1536;

/**
 * Carries bodies into the log and, once they are stored, on to whoever reads: stored, then seen (L1).
 *
 * While one batch is being made durable the next one gathers, so a stream pays one flush for many events, never one each.
 * The order is that of the calls. After the first append that failed nothing more is appended.
 */
export class EventPipe {
  readonly #writer: SessionWriter;
  readonly #deliver: (events: readonly StoredEvent[]) => void;
  readonly #onFailure: (error: unknown) => void;
  readonly #runId: string;
  #pending: BoxEvent[] = [];
  #flushing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #undelivered = 0;
  #roomWaiters: (() => void)[] = [];

  constructor(
    writer: SessionWriter,
    runId: string,
    deliver: (events: readonly StoredEvent[]) => void,
    onFailure: (error: unknown) => void,
  ) {
    this.#writer = writer;
    this.#runId = runId;
    this.#deliver = deliver;
    this.#onFailure = onFailure;
  }

  /** The error of the append that failed, if one did. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  push(bodies: readonly BoxEvent[]): void {
    if (this.#failure !== undefined || bodies.length === 0) return;
    this.#pending.push(...bodies);
    this.#undelivered += bodies.length;
    this.#flushing ??= this.#flush();
  }

  /** Resolves when all that was pushed is stored and handed on. @throws what the append threw */
  async drain(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** The consumer took so many events: a backend that waits for room may go on. */
  delivered(count: number): void {
    this.#undelivered -= count;
    if (this.#undelivered < HIGH_WATER) this.#wake();
  }

  /** Nobody reads any more: the consumer's pace no longer holds the backend back. */
  stopDelivering(): void {
    this.#undelivered = Number.NEGATIVE_INFINITY;
    this.#wake();
  }

  /** Resolves when there is room for more; undefined when there is now. */
  room(): Promise<void> | undefined {
    if (this.#undelivered < HIGH_WATER || this.#failure !== undefined) return undefined;
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  #wake(): void {
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const wake of waiters) wake();
  }

  async #flush(): Promise<void> {
    // One turn of the microtask queue, so that what is pushed together is stored together.
    await Promise.resolve();
    while (this.#pending.length > 0 && this.#failure === undefined) {
      // A batch is a millisecond of work: of many streams that wait for a turn only a few find room in the next one.
      for (let turn = shareTurn(); turn !== undefined; turn = shareTurn()) await turn;
      const batch = this.#pending.splice(0, MAX_BATCH);
      this.#deliver(await this.#append(batch));
    }
    this.#flushing = undefined;
  }

  /**
   * The events of a batch that are stored. A batch that holds one impossible event is refused as a whole: what stands before
   * that event is stored all the same.
   */
  async #append(batch: readonly BoxEvent[]): Promise<StoredEvent[]> {
    const options = { runId: this.#runId };
    killPoint("before-append");
    try {
      return await this.#writer.append(batch, options);
    } catch (error) {
      if (!SkeinError.is(error) || error.kind !== "validation" || batch.length === 1) {
        this.#fail(error);
        return [];
      }
    }
    const stored: StoredEvent[] = [];
    try {
      for (const body of batch) stored.push(...(await this.#writer.append([body], options)));
    } catch (error) {
      this.#fail(error);
    }
    return stored;
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#pending = [];
    this.#wake();
    this.#onFailure(error);
  }

  /** After a refused event the store itself is well: what the run still has to say can follow. */
  forgive(): void {
    this.#failure = undefined;
  }
}
