import type { FencedError, StoreError } from "../../errors.ts";
import type { StoredEvent } from "../../event/event.ts";
import { encodeEvents } from "../encode-events.ts";
import type { RunState } from "../run-state.ts";
import type { AppendBody, AppendOptions, SessionWriter } from "../session-store.ts";
import { fenced, leaseOver, writerClosed } from "../store-faults.ts";
import type { AppendChannel } from "./append-channel.ts";
import { AppendQueue } from "./append-queue.ts";
import type { AppendOutcome, SessionBeginning } from "./append-queue.ts";

export interface OpenedWriter {
  readonly sessionId: string;
  readonly key: number;
  readonly epoch: number;
  readonly leaseMs: number;
  readonly lastSeq: number;
  readonly state: RunState;
}

export interface PostgresWriterHooks {
  onAppend(writer: PostgresWriter, lastSeq: number): void;
  /** The writer is closed, or lost. */
  onEnd(writer: PostgresWriter): void;
}

/**
 * The one live writer of a session. Positions are given out here, in the order of the calls: only this writer can append under its epoch,
 * and the statement checks the epoch, so a position is either stored as it was given out or the writer is at its end.
 */
export class PostgresWriter implements SessionWriter {
  readonly sessionId: string;
  readonly queue: AppendQueue;
  readonly #channel: AppendChannel;
  readonly #hooks: PostgresWriterHooks;
  readonly #lost = new AbortController();
  #state: RunState;
  #givenOut: number;
  #end: FencedError | StoreError | undefined;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(channel: AppendChannel, opened: OpenedWriter, hooks: PostgresWriterHooks) {
    this.#channel = channel;
    this.#hooks = hooks;
    this.sessionId = opened.sessionId;
    this.queue = new AppendQueue(opened.key, opened.epoch, opened.leaseMs);
    this.#state = opened.state;
    this.#givenOut = opened.lastSeq;
  }

  get key(): number {
    return this.queue.key as number;
  }

  get epoch(): number {
    return this.queue.epoch;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  append(bodies: readonly AppendBody[], { runId, onAccepted }: AppendOptions = {}): Promise<StoredEvent[]> {
    return new Promise((resolve, reject) => {
      this.#refuseEnded();
      const at = Date.now();
      const before = this.#state;
      const { events, lines, state, digests } = encodeEvents(bodies, {
        ...(runId === undefined ? {} : { runId }),
        sessionId: this.sessionId,
        lastSeq: this.#givenOut,
        state: before,
        at,
      });
      if (lines.length === 0) {
        onAccepted?.();
        resolve(events);
        return;
      }
      const firstSeq = this.#givenOut + 1;
      this.#givenOut += lines.length;
      this.#state = state;
      const lastSeq = this.#givenOut;
      this.#channel.append(this.queue, {
        firstSeq,
        lines,
        at,
        digests,
        ...(state === before ? {} : { state }),
        settle: (outcome) => {
          const refusal = this.#conclude(outcome);
          if (refusal === undefined) {
            this.#hooks.onAppend(this, lastSeq);
            resolve(events);
          } else reject(refusal);
        },
        fail: reject,
      });
      onAccepted?.();
    });
  }

  /**
   * Begins a session after all that was appended so far, and in the statement that stores it.
   *
   * @returns its key; undefined where its id is taken
   * @throws FencedError where this is no longer the live writer
   */
  begin(begins: SessionBeginning, at: number): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      this.#refuseEnded();
      this.#channel.append(this.queue, {
        ...this.#nothing(at),
        begins,
        settle: (outcome, begun) => {
          const refusal = this.#conclude(outcome);
          if (refusal === undefined) resolve(begun);
          else reject(refusal);
        },
        fail: reject,
      });
    });
  }

  #nothing(at: number): { firstSeq: number; lines: readonly string[]; at: number; digests: readonly string[] } {
    return { firstSeq: this.#givenOut + 1, lines: [], at, digests: [] };
  }

  #refuseEnded(): void {
    if (this.#end !== undefined) throw this.#end;
    if (this.#isClosed) throw writerClosed(this.sessionId);
  }

  /** What was asked for is durable, or refused. @returns why it was refused */
  #conclude(outcome: AppendOutcome): FencedError | undefined {
    if (outcome === "done") return undefined;
    this.lose(outcome);
    return outcome === "lease_over" ? leaseOver(this.sessionId) : fenced(this.sessionId, this.epoch);
  }

  /** The session belongs to another writer, or the lease is over: from here on nothing is accepted. */
  lose(why: "taken_over" | "lease_over"): void {
    this.stop(why === "lease_over" ? leaseOver(this.sessionId) : fenced(this.sessionId, this.epoch));
  }

  /** Ends the writer for a reason that whoever produces events should hear of; later appends are refused with `refusal`. */
  stop(reason: FencedError | StoreError, refusal = reason): void {
    if (this.#end !== undefined || this.#isClosed) return;
    this.#end = refusal;
    this.#hooks.onEnd(this);
    this.#lost.abort(reason);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The lease is given up by the statement that stores the last events. */
  async #close(): Promise<void> {
    if (this.#end !== undefined) return;
    this.#isClosed = true;
    await new Promise<void>((resolve) => {
      const settle = (): void => resolve();
      // Where it cannot be given up, it will be over when its time is, or when this process is gone.
      this.#channel.append(this.queue, { ...this.#nothing(Date.now()), releases: true, settle, fail: settle });
    });
    this.#hooks.onEnd(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
