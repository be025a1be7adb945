import { SkeinError } from "../errors.ts";
import type { BoxEvent, StoredEvent } from "../event/event.ts";
import { killPoint } from "../internal/kill-point.ts";
import { endOfTurn, shareTurn } from "../internal/share-turn.ts";
import { isImmediate } from "../store/immediate-writer.ts";
import type { ImmediateWriter } from "../store/immediate-writer.ts";
import type { SessionWriter } from "../store/session-store.ts";
import { FlowShare } from "./flow-share.ts";

/** The largest batch that is appended at once, in events. */
const MAX_BATCH = 512;

/** So many are handed on also while others are on their way: the writer should never have to wait for the next batch. */
const SEND_AT = 256;

/** Batches on their way: one whose flush is awaited, one that is written, one that waits for both. */
const MAX_SENT = 3;

const DRAINED = Promise.resolve();

/** An append that was handed to the writer. */
interface Sent {
  readonly batch: readonly BoxEvent[];
  readonly isAccepted: boolean;
  readonly stored: Promise<StoredEvent[]>;
}

/**
 * Carries bodies into the log and, once they are stored, on to whoever reads: stored, then seen (L1).
 *
 * While one batch is being made durable the next one gathers, so a stream pays one flush for many events, never one each.
 * The order is that of the calls. After the first append that failed nothing more is appended.
 */
export class EventPipe {
  readonly #writer: SessionWriter;
  /** The writer, where nothing waits for it: what is sent is stored and handed on before the call returns. */
  readonly #immediate: ImmediateWriter | undefined;
  /** An immediate writer's events are being handed on: what is pushed meanwhile comes after them. */
  #isDelivering = false;
  readonly #deliver: (events: readonly StoredEvent[]) => void;
  readonly #onFailure: (error: unknown) => void;
  readonly #runId: string;
  #pending: BoxEvent[] = [];
  /** On their way into the log, the oldest first. */
  #sent: Sent[] = [];
  #flushing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** Events between the backend and the consumer, stored or not. */
  readonly #share = new FlowShare();
  #roomWaiters: (() => void)[] = [];

  constructor(
    writer: SessionWriter,
    runId: string,
    deliver: (events: readonly StoredEvent[]) => void,
    onFailure: (error: unknown) => void,
  ) {
    this.#writer = writer;
    this.#immediate = isImmediate(writer) ? writer : undefined;
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
    for (const body of bodies) this.#pending.push(body);
    this.#share.add(bodies.length);
    if (this.#pending.length >= SEND_AT && this.#sent.length < MAX_SENT && this.#mayAppend) this.#send();
    this.#flushing ??= this.#flush();
  }

  /** Hands on what was stored before the pipe was made. */
  begin(events: readonly StoredEvent[]): void {
    this.#share.add(events.length);
    this.#deliver(events);
  }

  /** Resolves when all that was pushed is stored and handed on. @throws what the append threw */
  drain(): Promise<void> {
    // Whoever waits for the end needs no more to gather: what is pending can join what is on its way.
    return this.submit() && this.#sent.length === 0 ? DRAINED : this.#drain();
  }

  async #drain(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** The consumer took so many events: a backend that waits for room may go on. */
  delivered(count: number): void {
    this.#share.remove(count);
    if (this.#roomWaiters.length > 0 && this.#share.hasRoom) this.#wake();
  }

  /** Nobody reads any more: the consumer's pace no longer holds the backend back. */
  stopDelivering(): void {
    this.#share.open();
    this.#wake();
  }

  /** Resolves when there is room for more; undefined when there is now. */
  room(): Promise<void> | undefined {
    if (!this.#share.isFull || this.#failure !== undefined) return undefined;
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  #wake(): void {
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const wake of waiters) wake();
  }

  /**
   * Hands all that was pushed to the writer at once, also while an append is on its way. True where the writer has accepted all of it:
   * it is stored in this order, before whatever is asked of the writer next, or the writer is at its end. Otherwise `drain` tells.
   */
  submit(): boolean {
    while (this.#failure === undefined && this.#mayAppend) {
      if (this.#pending.length === 0) return true;
      this.#send();
    }
    return false;
  }

  /** True where the writer has taken all that was sent: what is sent next stands right behind it. */
  get #mayAppend(): boolean {
    return !this.#isDelivering && this.#sent.every(({ isAccepted }) => isAccepted);
  }

  async #flush(): Promise<void> {
    // One turn of the microtask queue, so that what is pushed together is stored together.
    await DRAINED;
    // Where the consumer has others to take first, nothing is lost by waiting until this turn is over: larger batches are larger segments.
    const pending = this.#pending.length;
    if (this.#sent.length === 0 && pending > 0 && pending < SEND_AT && this.#share.held > pending) await endOfTurn();
    while (this.#failure === undefined) {
      const [sent] = this.#sent;
      if (sent !== undefined) {
        const stored = await this.#conclude(sent);
        this.#sent.shift();
        this.#deliver(stored);
      } else if (this.#pending.length > 0) {
        // A batch is a millisecond of work: of many streams that wait for a turn only a few find room in the next one.
        for (let turn = shareTurn(); turn !== undefined; turn = shareTurn()) await turn;
        this.#send();
      } else {
        break;
      }
    }
    this.#flushing = undefined;
  }

  #send(): void {
    if (this.#pending.length === 0) return;
    let batch = this.#pending;
    if (batch.length > MAX_BATCH) batch = this.#pending.splice(0, MAX_BATCH);
    else this.#pending = [];
    killPoint("before-append");
    if (this.#immediate !== undefined) {
      this.#deliverNow(this.#appendNow(this.#immediate, batch));
      return;
    }
    let isAccepted = false;
    const stored = this.#writer.append(batch, {
      runId: this.#runId,
      onAccepted: () => (isAccepted = true),
    });
    // Whoever comes to it later hears of a failure all the same.
    stored.catch(() => {});
    this.#sent.push({ batch, isAccepted, stored });
  }

  #deliverNow(stored: readonly StoredEvent[]): void {
    this.#isDelivering = true;
    try {
      this.#deliver(stored);
    } finally {
      this.#isDelivering = false;
    }
  }

  /** As `#conclude`, of an append that has happened when it returns. */
  #appendNow(writer: ImmediateWriter, batch: readonly BoxEvent[]): StoredEvent[] {
    const runId = this.#runId;
    const rest: StoredEvent[] = [];
    try {
      return writer.appendNow(batch, { runId });
    } catch (error) {
      if (!isRefused(error, batch)) {
        this.#fail(error);
        return rest;
      }
    }
    try {
      for (const body of batch) rest.push(...writer.appendNow([body], { runId }));
    } catch (error) {
      this.#fail(error);
    }
    return rest;
  }

  /**
   * The events of a batch that are stored. A batch that holds one impossible event is refused as a whole: what stands before
   * that event is stored all the same.
   */
  async #conclude({ batch, stored }: Sent): Promise<StoredEvent[]> {
    try {
      return await stored;
    } catch (error) {
      if (!isRefused(error, batch)) {
        this.#fail(error);
        return [];
      }
    }
    const rest: StoredEvent[] = [];
    try {
      for (const body of batch) rest.push(...(await this.#writer.append([body], { runId: this.#runId })));
    } catch (error) {
      this.#fail(error);
    }
    return rest;
  }

  #fail(error: unknown): void {
    this.#failure = { error };
    this.#pending = [];
    this.#sent = [];
    this.#share.open();
    this.#wake();
    this.#onFailure(error);
  }

  /** After a refused event the store itself is well: what the run still has to say can follow. */
  forgive(): void {
    this.#failure = undefined;
  }
}

/** True where one of several events was refused: those before it can be stored without it. */
function isRefused(error: unknown, batch: readonly BoxEvent[]): boolean {
  return SkeinError.is(error) && error.kind === "validation" && batch.length > 1;
}
