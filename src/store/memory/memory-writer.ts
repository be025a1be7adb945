import type { StoredEvent } from "../../event/event.ts";
import { declareImmediate } from "../immediate-writer.ts";
import type { ImmediateWriter } from "../immediate-writer.ts";
import type { AppendBody, AppendOptions } from "../session-store.ts";
import { fenced, storeClosed, writerClosed } from "../store-faults.ts";
import { encodeEvents } from "../encode-events.ts";
import { WriterLoss, declareLoss } from "../writer-loss.ts";
import type { MemorySession, MemorySessionHolder } from "./memory-session.ts";

export interface MemoryWriterOptions {
  readonly owner: string;
  readonly leaseMs: number;
  readonly onAppend: () => void;
}

/** The one live writer of a session in memory. Its process is its lease: it lives until it is closed or taken over. */
export class MemoryWriter implements ImmediateWriter, MemorySessionHolder {
  readonly epoch: number;
  readonly owner: string;
  readonly #session: MemorySession;
  readonly #options: MemoryWriterOptions;
  readonly #loss = new WriterLoss();
  #closed: "writer" | "store" | undefined;

  constructor(session: MemorySession, options: MemoryWriterOptions) {
    this.#session = session;
    this.#options = options;
    this.epoch = session.epoch;
    this.owner = options.owner;
    declareImmediate(this);
    declareLoss(this, this.#loss);
  }

  get sessionId(): string {
    return this.#session.about.id;
  }

  get lost(): AbortSignal {
    return this.#loss.signal;
  }

  leaseUntil(): number {
    return Date.now() + this.#options.leaseMs;
  }

  async append(bodies: readonly AppendBody[], options: AppendOptions = {}): Promise<StoredEvent[]> {
    return this.appendNow(bodies, options);
  }

  /** An append in memory has happened when it returns. */
  appendNow(bodies: readonly AppendBody[], { runId, onAccepted }: AppendOptions = {}): StoredEvent[] {
    const session = this.#session;
    if (this.#closed !== undefined) throw this.#closed === "store" ? storeClosed() : writerClosed(this.sessionId);
    this.refuseFenced();
    const at = Date.now();
    const { lastSeq, state } = session;
    const encoded = encodeEvents(bodies, { sessionId: this.sessionId, lastSeq, state, at, runId });
    if (encoded.lines.length === 0) return [];
    session.addLines(encoded.lines);
    session.state = encoded.state;
    session.updatedAt = at;
    for (const digest of encoded.digests) session.digests.add(digest);
    onAccepted?.();
    this.#options.onAppend();
    return encoded.events;
  }

  /** @throws FencedError */
  refuseFenced(): void {
    if (this.#session.epoch !== this.epoch) throw fenced(this.sessionId, this.epoch);
  }

  /** Another writer was opened. */
  fence(): void {
    this.#loss.tell(fenced(this.sessionId, this.epoch));
  }

  async close(): Promise<void> {
    this.end("writer");
  }

  end(by: "writer" | "store"): void {
    this.#closed ??= by;
    if (this.#session.writer === this) this.#session.writer = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
