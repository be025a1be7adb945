import type { FencedError, StoreError } from "../../errors.ts";
import { cloneJson } from "../../event/clone-json.ts";
import type { JsonValue, StoredEvent } from "../../event/event.ts";
import { encodeEvents } from "../encode-events.ts";
import type { EncodedEvents } from "../encode-events.ts";
import { StepwiseAppends, encodeInSteps, hasLargeBody, hasLargeLine, storeLargeLines } from "../large-append.ts";
import type { LargeLine } from "../large-line.ts";
import type { RunState } from "../run-state.ts";
import type { AppendBody, AppendOptions, SessionWriter } from "../session-store.ts";
import { fenced, leaseOver, writerClosed } from "../store-faults.ts";
import type { AppendChannel } from "./append-channel.ts";
import { AppendQueue } from "./append-queue.ts";
import type { AppendOutcome, AppendRequest, SessionBeginning } from "./append-queue.ts";
import { markParts } from "./segment-text.ts";

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
  readonly #steps = new StepwiseAppends();
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
      if (this.#steps.before !== undefined || hasLargeBody(bodies)) {
        // What the caller does to them later must not change what is stored.
        const copies = bodies.map((body) => cloneJson(body) as unknown as AppendBody);
        this.#steps.enqueue(() => this.#appendInSteps(copies, runId, onAccepted, resolve, reject).catch(reject));
        return;
      }
      const encoded = this.#encode(bodies, runId);
      if (encoded.lines.length === 0) {
        onAccepted?.();
        resolve(encoded.events);
        return;
      }
      const request = this.#giveOut(encoded, resolve, reject);
      if (hasLargeLine(encoded.lines)) this.#steps.enqueue(() => this.#appendParts(request));
      else this.#channel.append(this.queue, request);
      onAccepted?.();
    });
  }

  #encode(bodies: readonly AppendBody[], runId: string | undefined, unwritten?: ReadonlySet<number>): EncodedEvents {
    const { sessionId } = this;
    const lastSeq = this.#givenOut;
    return encodeEvents(bodies, { sessionId, lastSeq, state: this.#state, at: Date.now(), runId, unwritten });
  }

  /** The positions are taken: what is encoded next comes behind. */
  #giveOut(
    { events, lines, state, digests }: EncodedEvents,
    resolve: (events: StoredEvent[]) => void,
    reject: (error: unknown) => void,
  ): AppendRequest {
    const firstSeq = this.#givenOut + 1;
    const isChanged = state !== this.#state;
    this.#givenOut += lines.length;
    this.#state = state;
    const lastSeq = this.#givenOut;
    return {
      firstSeq,
      lines,
      at: events.at(-1)?.at ?? 0,
      digests,
      ...(isChanged ? { state } : {}),
      settle: (outcome) => {
        const refusal = this.#conclude(outcome);
        if (refusal === undefined) {
          this.#hooks.onAppend(this, lastSeq);
          resolve(events);
        } else reject(refusal);
      },
      fail: reject,
    };
  }

  /** Writes the lines of large events in steps, and then appends. */
  async #appendInSteps(
    bodies: readonly AppendBody[],
    runId: string | undefined,
    onAccepted: (() => void) | undefined,
    resolve: (events: StoredEvent[]) => void,
    reject: (error: unknown) => void,
  ): Promise<void> {
    if (this.#end !== undefined) throw this.#end;
    const append = await encodeInSteps(
      bodies,
      (unwritten) => this.#encode(bodies, runId, unwritten),
      (event) => ({ value: event as unknown as JsonValue, bytesLeftOut: 0 }),
      () => this.#end === undefined,
    );
    if (append === undefined) throw this.#end;
    if (bodies.length === 0) {
      onAccepted?.();
      resolve([]);
      return;
    }
    const request = this.#giveOut(append.encoded, resolve, reject);
    onAccepted?.();
    await this.#appendParts(request, append.written);
  }

  /** Stores the large lines part by part, and then appends. Ends when the append is on its way; never rejects. */
  async #appendParts(request: AppendRequest, written: Map<number, LargeLine> = new Map()): Promise<void> {
    const { firstSeq, lines } = request;
    try {
      const stored = await storeLargeLines(lines, written, async (index, part, text) =>
        (await this.#channel.putPart(this.queue, firstSeq + index, part, text)) ? undefined : "taken_over",
      );
      if ("refusal" in stored) {
        request.settle(stored.refusal, undefined);
        return;
      }
      const marked = lines.map((line, index) => {
        const large = stored.large.get(index);
        return large === undefined ? line : markParts(large.parts);
      });
      this.#channel.append(this.queue, { ...request, lines: marked });
    } catch (error) {
      request.fail(error);
    }
  }

  /**
   * Begins a session after all that was appended so far, and in the statement that stores it.
   *
   * @returns its key; undefined where its id is taken
   * @throws FencedError where this is no longer the live writer
   */
  begin(begins: SessionBeginning, at: number): Promise<number | undefined> {
    const { before } = this.#steps;
    return before === undefined ? this.#sendBeginning(begins, at) : before.then(() => this.#sendBeginning(begins, at));
  }

  #sendBeginning(begins: SessionBeginning, at: number): Promise<number | undefined> {
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
    await this.#steps.before;
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
