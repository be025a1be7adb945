import type { FencedError, StoreError } from "../../errors.ts";
import type { StoredEvent } from "../../event/event.ts";
import { encodeEvents } from "../encode-events.ts";
import type { RunState } from "../run-state.ts";
import type { AppendBody, SessionWriter } from "../session-store.ts";
import { fenced, leaseOver, writerClosed } from "../store-faults.ts";
import type { AppendChannel } from "./append-channel.ts";
import { AppendQueue } from "./append-queue.ts";
import type { AppendOutcome } from "./append-queue.ts";

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
  /** Gives the lease up. */
  release(writer: PostgresWriter): Promise<void>;
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
  readonly #drained: (() => void)[] = [];
  #state: RunState;
  #givenOut: number;
  #end: FencedError | StoreError | undefined;
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
    return this.queue.key;
  }

  get epoch(): number {
    return this.queue.epoch;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  append(bodies: readonly AppendBody[], options: { readonly runId?: string } = {}): Promise<StoredEvent[]> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) throw this.#end;
      const at = Date.now();
      const before = this.#state;
      const { events, lines, state, digests } = encodeEvents(bodies, {
        ...options,
        sessionId: this.sessionId,
        lastSeq: this.#givenOut,
        state: before,
        at,
      });
      if (lines.length === 0) {
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
          const refusal = this.#conclude(outcome, lastSeq);
          if (refusal === undefined) resolve(events);
          else reject(refusal);
          this.#settleDrained();
        },
        fail: (error) => {
          reject(error);
          this.#settleDrained();
        },
      });
    });
  }

  /** An append is durable, or refused. @returns why it was refused */
  #conclude(outcome: AppendOutcome, lastSeq: number): FencedError | undefined {
    if (outcome === "done") {
      this.#hooks.onAppend(this, lastSeq);
      return undefined;
    }
    this.lose(outcome);
    return outcome === "lease_over" ? leaseOver(this.sessionId) : fenced(this.sessionId, this.epoch);
  }

  /** The session belongs to another writer, or the lease is over: from here on nothing is accepted. */
  lose(why: "taken_over" | "lease_over"): void {
    this.stop(why === "lease_over" ? leaseOver(this.sessionId) : fenced(this.sessionId, this.epoch));
  }

  /** Ends the writer for a reason that whoever produces events should hear of; later appends are refused with `refusal`. */
  stop(reason: FencedError | StoreError, refusal = reason): void {
    if (this.#end !== undefined) return;
    this.#end = refusal;
    this.#hooks.onEnd(this);
    this.#lost.abort(reason);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#end !== undefined) return;
    this.#end = writerClosed(this.sessionId);
    if (!this.queue.isIdle) await new Promise<void>((resolve) => this.#drained.push(resolve));
    this.#hooks.onEnd(this);
    // A store that failed cannot give a lease up; it will be over when its time is, or when this process is gone.
    await this.#hooks.release(this).catch(() => {});
  }

  #settleDrained(): void {
    if (this.#drained.length > 0 && this.queue.isIdle) for (const wake of this.#drained.splice(0)) wake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
