import type { StoredEvent } from "../../event/event.ts";
import type { SessionStore } from "../../store/session-store.ts";
import { toEventFrame } from "../http/event-stream.ts";

const encoder = new TextEncoder();

/** An event with its bytes, encoded once for all its readers. */
export interface LoggedEvent {
  readonly event: StoredEvent;
  readonly json: string;
}

/** What a reader is given at once. Readers that are equally far are given the same, so that what is made of it is made once. */
export interface LoggedBatch {
  readonly events: readonly LoggedEvent[];
  /** The events as Server-Sent Events, encoded. */
  frames(): Uint8Array;
}

class SharedBatch implements LoggedBatch {
  readonly events: readonly LoggedEvent[];
  #frames: Uint8Array | undefined;

  constructor(events: readonly LoggedEvent[]) {
    this.events = events;
  }

  frames(): Uint8Array {
    this.#frames ??= encoder.encode(
      this.events.map(({ event, json }) => toEventFrame({ id: event.seq, data: json })).join(""),
    );
    return this.#frames;
  }
}

/** The newest events of a session are kept for readers that are up to date; the others read the store. */
const KEPT_EVENTS = 1024;
const KEPT_CHARACTERS = 1024 * 1024;

/** So many events are handed on at once. */
const BATCH_EVENTS = 256;

/**
 * One tail of a session for any number of readers. A reader says how far it is and gets what follows: from memory where it is up to date,
 * else from the store. Nothing is pushed, so that a slow reader costs a position and nothing more.
 */
class LiveLog {
  readonly #store: SessionStore;
  readonly #sessionId: string;
  readonly #ended = new AbortController();
  #kept: LoggedEvent[] = [];
  #keptCharacters = 0;
  /** What was kept begins after this position; undefined until the tail has its place. */
  #base: number | undefined;
  #head = 0;
  /** What was given last, for the next reader that is as far as the one before. */
  #given: { readonly after: number; readonly head: number; readonly batch: LoggedBatch } | undefined;
  #waiting = new Set<() => void>();
  #outcome: { readonly error?: unknown } | undefined;
  readers = 0;

  constructor(store: SessionStore, sessionId: string) {
    this.#store = store;
    this.#sessionId = sessionId;
    void this.#follow();
  }

  async #follow(): Promise<void> {
    try {
      const session = await this.#store.get(this.#sessionId);
      this.#base = this.#head = session?.lastSeq ?? 0;
      this.#wake();
      for await (const event of this.#store.tail(this.#sessionId, { after: this.#base, signal: this.#ended.signal }))
        this.#add(event);
      this.#outcome = {};
    } catch (error) {
      this.#outcome = { error };
    }
    this.#wake();
  }

  #add(event: StoredEvent): void {
    const json = JSON.stringify(event);
    this.#kept.push({ event, json });
    this.#keptCharacters += json.length;
    this.#head = event.seq;
    let gone = 0;
    let characters = this.#keptCharacters;
    while (
      this.#kept.length - gone > 1 &&
      (this.#kept.length - gone > 2 * KEPT_EVENTS || characters > 2 * KEPT_CHARACTERS)
    ) {
      // Half of it at once, so that the array is not moved for every event.
      const half = Math.ceil((this.#kept.length - gone) / 2);
      for (let index = gone; index < gone + half; index++) characters -= (this.#kept[index] as LoggedEvent).json.length;
      gone += half;
    }
    if (gone > 0) {
      this.#base = (this.#kept[gone - 1] as LoggedEvent).event.seq;
      this.#kept = this.#kept.slice(gone);
      this.#keptCharacters = characters;
    }
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }

  /** Ends the tail; those who wait are told. */
  close(): void {
    this.#ended.abort();
  }

  /** The events after `after`, at least one; undefined when the log has ended, or the signal fired. */
  async next(after: number, signal: AbortSignal): Promise<LoggedBatch | undefined> {
    while (!signal.aborted) {
      if (this.#outcome?.error !== undefined) throw this.#outcome.error;
      if (this.#base !== undefined && after >= this.#base) {
        if (after < this.#head) return this.#fromMemory(after, this.#base);
        if (this.#outcome !== undefined) return undefined;
      } else if (this.#base !== undefined) {
        const batch: LoggedEvent[] = [];
        for await (const event of this.#store.read(this.#sessionId, { after, limit: BATCH_EVENTS }))
          batch.push({ event, json: JSON.stringify(event) });
        if (batch.length > 0) return new SharedBatch(batch);
        if (this.#outcome !== undefined) return undefined;
      }
      await this.#changed(signal);
    }
    return undefined;
  }

  #fromMemory(after: number, base: number): LoggedBatch {
    const given = this.#given;
    if (given !== undefined && given.after === after && given.head === this.#head) return given.batch;
    const batch = new SharedBatch(this.#kept.slice(after - base, after - base + BATCH_EVENTS));
    this.#given = { after, head: this.#head, batch };
    return batch;
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener("abort", wake);
        this.#waiting.delete(wake);
        resolve();
      };
      signal.addEventListener("abort", wake, { once: true });
      this.#waiting.add(wake);
    });
  }
}

/** The tails of a server: one for each session that somebody reads along. */
export class LiveLogs {
  readonly #store: SessionStore;
  readonly #logs = new Map<string, LiveLog>();

  constructor(store: SessionStore) {
    this.#store = store;
  }

  /**
   * Batches of events after `after`, past and live, until the signal fires, the store is closed or the consumer leaves.
   *
   * @throws ValidationError `session_unknown` when the session is deleted meanwhile; StoreError
   */
  async *follow(sessionId: string, after: number, signal: AbortSignal): AsyncGenerator<LoggedBatch, void> {
    const log = this.#logs.get(sessionId) ?? new LiveLog(this.#store, sessionId);
    this.#logs.set(sessionId, log);
    log.readers += 1;
    try {
      for (let at = after; ;) {
        const batch = await log.next(at, signal);
        if (batch === undefined) return;
        at = (batch.events.at(-1) as LoggedEvent).event.seq;
        yield batch;
      }
    } finally {
      log.readers -= 1;
      if (log.readers === 0) {
        log.close();
        if (this.#logs.get(sessionId) === log) this.#logs.delete(sessionId);
      }
    }
  }
}
