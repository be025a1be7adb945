import { FencedError } from "../../errors.ts";
import type { StoreError } from "../../errors.ts";
import type { StoredEvent } from "../../event/event.ts";
import { cloneJson } from "../../event/clone-json.ts";
import { encodeEvents } from "../encode-events.ts";
import type { EncodedEvents } from "../encode-events.ts";
import { StepwiseAppends, encodeInSteps, hasLargeBody, hasLargeLine, storeLargeLines } from "../large-append.ts";
import type { LargeLine } from "../large-line.ts";
import type { RunState } from "../run-state.ts";
import type { AppendBody, AppendOptions, SessionWriter } from "../session-store.ts";
import { fenced, leaseOver, writerClosed } from "../store-faults.ts";
import { WriterLoss, declareLoss } from "../writer-loss.ts";
import type { AppendRequest, Waiting } from "./gathered-append.ts";
import { PACKED_LINES, toLargeValue } from "./packed-events.ts";
import type { CommandResult } from "./sqlite-command.ts";
import type { WriterChannel } from "./writer-channel.ts";

export interface OpenedWriter {
  readonly sessionId: string;
  readonly key: number;
  readonly epoch: number;
  readonly lastSeq: number;
  readonly state: RunState;
}

export interface SqliteWriterHooks {
  onAppend(sessionId: string): void;
  /** The writer is closed, or lost. */
  onEnd(writer: SqliteWriter): void;
}

/** A call of `append` that waits for its commit. */
class PendingAppend implements Waiting {
  readonly #writer: SqliteWriter;
  readonly #events: StoredEvent[];
  readonly #resolve: (events: StoredEvent[]) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    writer: SqliteWriter,
    events: StoredEvent[],
    resolve: (events: StoredEvent[]) => void,
    reject: (error: unknown) => void,
  ) {
    this.#writer = writer;
    this.#events = events;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  settle(result: CommandResult): void {
    const refusal = this.#writer.conclude(result);
    if (refusal === undefined) this.#resolve(this.#events);
    else this.#reject(refusal);
  }

  fail(error: StoreError): void {
    this.#reject(error);
  }
}

/**
 * The one live writer of a session. Positions are given out here, in the order of the calls: only this writer can append under its epoch,
 * and the transaction checks the epoch, so a position is either stored as it was given out or the writer is at its end.
 */
export class SqliteWriter implements SessionWriter {
  readonly sessionId: string;
  readonly epoch: number;
  readonly key: number;
  readonly #channel: WriterChannel;
  readonly #hooks: SqliteWriterHooks;
  readonly #loss = new WriterLoss();
  #state: RunState;
  #givenOut: number;
  readonly #steps = new StepwiseAppends();
  #end: FencedError | StoreError | undefined;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(channel: WriterChannel, opened: OpenedWriter, hooks: SqliteWriterHooks) {
    this.#channel = channel;
    this.#hooks = hooks;
    this.sessionId = opened.sessionId;
    this.key = opened.key;
    this.epoch = opened.epoch;
    this.#state = opened.state;
    this.#givenOut = opened.lastSeq;
    declareLoss(this, this.#loss);
  }

  get lost(): AbortSignal {
    return this.#loss.signal;
  }

  append(bodies: readonly AppendBody[], { runId, onAccepted }: AppendOptions = {}): Promise<StoredEvent[]> {
    // One promise for each call, made here: an async function would make three, and a stream lives on this path.
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) throw this.#end;
      if (this.#isClosed) throw writerClosed(this.sessionId);
      if (this.#steps.before !== undefined || hasLargeBody(bodies)) {
        // What the caller does to them later must not change what is stored.
        const copies = bodies.map((body) => cloneJson(body) as unknown as AppendBody);
        this.#steps.enqueue(() => this.#appendInSteps(copies, runId, onAccepted, resolve, reject).catch(reject));
        return;
      }
      const encoded = this.#encode(bodies, runId);
      const { events, lines } = encoded;
      if (lines.length === 0) {
        onAccepted?.();
        resolve(events);
        return;
      }
      const request = this.#giveOut(encoded);
      const waiting = new PendingAppend(this, events, resolve, reject);
      if (hasLargeLine(lines)) this.#steps.enqueue(() => this.#appendParts(request, waiting));
      else this.#channel.append(request, waiting);
      onAccepted?.();
    });
  }
  /** An append is durable, or refused, or what was to happen under this writer was. @returns why it was refused */
  conclude(result: CommandResult): FencedError | StoreError | undefined {
    if (result.is !== "done") return this.#lose(result);
    this.#hooks.onAppend(this.sessionId);
    return undefined;
  }

  /** What the thread has not been asked for yet, though it was appended. */
  get before(): Promise<void> | undefined {
    return this.#steps.before;
  }

  #encode(bodies: readonly AppendBody[], runId: string | undefined, unwritten?: ReadonlySet<number>): EncodedEvents {
    const { sessionId } = this;
    const lastSeq = this.#givenOut;
    const position = { sessionId, lastSeq, state: this.#state, at: Date.now(), runId, unwritten, writer: PACKED_LINES };
    return encodeEvents(bodies, position);
  }

  /** The positions are taken: what is encoded next comes behind. */
  #giveOut({ events, lines, state, digests }: EncodedEvents): AppendRequest {
    const request: AppendRequest = {
      key: this.key,
      epoch: this.epoch,
      events,
      lines,
      digests,
      state: state === this.#state ? undefined : state,
    };
    this.#givenOut += lines.length;
    this.#state = state;
    return request;
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
      toLargeValue,
      () => this.#end === undefined,
    );
    if (append === undefined) throw this.#end;
    if (bodies.length === 0) {
      onAccepted?.();
      resolve([]);
      return;
    }
    const { encoded, written } = append;
    const request = this.#giveOut(encoded);
    onAccepted?.();
    await this.#appendParts(request, new PendingAppend(this, encoded.events, resolve, reject), written);
  }

  /** Stores the large lines part by part, and then appends. Ends when the append is on its way; never rejects. */
  async #appendParts(
    request: AppendRequest,
    waiting: Waiting,
    written: Map<number, LargeLine> = new Map(),
  ): Promise<void> {
    const { key, epoch } = this;
    const firstSeq = request.events[0]?.seq ?? 0;
    try {
      const stored = await storeLargeLines(request.lines, written, async (index, part, text) => {
        const result = await this.#channel.send({ kind: "put-part", key, epoch, seq: firstSeq + index, part, text });
        return result.is === "done" ? undefined : result;
      });
      if ("refusal" in stored) waiting.settle(stored.refusal);
      else if (stored.large.size === 0) this.#channel.append(request, waiting);
      else {
        const large = new Map(Array.from(stored.large, ([index, parts]) => [firstSeq + index, parts]));
        this.#channel.append({ ...request, large }, waiting);
      }
    } catch (error) {
      waiting.fail(error as StoreError);
    }
  }

  #lose(result: CommandResult): FencedError | StoreError {
    const why = result.is === "fenced" ? result.why : "taken_over";
    this.lose(why);
    // A writer that was closed meanwhile has another end, but this is why it could not store.
    return this.#end instanceof FencedError ? this.#end : this.#toFault(why);
  }

  #toFault(why: "taken_over" | "lease_over"): FencedError {
    return why === "lease_over" ? leaseOver(this.sessionId) : fenced(this.sessionId, this.epoch);
  }

  /** The session belongs to another writer, or the lease is over: from here on nothing is accepted. */
  lose(why: "taken_over" | "lease_over"): void {
    this.stop(this.#toFault(why));
  }

  /** Ends the writer for a reason that whoever produces events should hear of; later appends are refused with `refusal`. */
  stop(reason: FencedError | StoreError, refusal = reason): void {
    if (this.#end !== undefined || this.#isClosed) return;
    this.#end = refusal;
    this.#hooks.onEnd(this);
    this.#loss.tell(reason);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#end !== undefined) return;
    this.#isClosed = true;
    this.#hooks.onEnd(this);
    await this.#steps.before;
    // A store that failed cannot give a lease up; it will be over when its time is, or when this process is gone.
    await this.#channel.send({ kind: "close-writer", key: this.key, epoch: this.epoch }).catch(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
