import { watch } from "node:fs";
import type { FSWatcher } from "node:fs";
import { ChangeSignal } from "../change-signal.ts";
import type { SqliteReader } from "./sqlite-reader.ts";

/** Looked at least so often after something happened, and so rarely when nothing has for a while. */
const BUSY_POLL_MS = 50;
const IDLE_POLL_MS = 250;

/**
 * Tells the tails of this process what other processes write. One watcher for any number of them: the system says when the -wal file
 * was written to, and a slow poll is the net below, for file systems that tell nothing. Runs only while somebody tails.
 */
export class DatabaseWatcher {
  readonly changes = new ChangeSignal();
  readonly #reader: SqliteReader;
  readonly #path: string;
  readonly #versions: (ids: readonly string[]) => [string, number][];
  readonly #followed = new Map<string, { count: number; lastSeq: number }>();
  #watch: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pollMs = BUSY_POLL_MS;
  #version = -1;
  #isScheduled = false;

  /** @param versions what is followed, each with a number that changes whenever it does; without it, sessions with their last position */
  constructor(reader: SqliteReader, path: string, versions?: (ids: readonly string[]) => [string, number][]) {
    this.#reader = reader;
    this.#path = path;
    this.#versions = versions ?? ((ids) => findLastSeqs(reader, ids));
  }

  /** Watches a session until the function that it returns is called. */
  follow(sessionId: string): () => void {
    const unfollow = this.changes.follow(sessionId);
    const entry = this.#followed.get(sessionId) ?? { count: 0, lastSeq: -1 };
    entry.count += 1;
    this.#followed.set(sessionId, entry);
    if (this.#timer === undefined) this.#start();
    return () => {
      unfollow();
      entry.count -= 1;
      if (entry.count === 0) this.#followed.delete(sessionId);
      if (this.#followed.size === 0) this.stop();
    };
  }

  stop(): void {
    this.#watch?.close();
    this.#watch = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #start(): void {
    this.#version = -1;
    this.#pollMs = BUSY_POLL_MS;
    try {
      this.#watch = watch(`${this.#path}-wal`, () => this.#scheduleCheck());
      this.#watch.on("error", () => this.#watch?.close());
    } catch {
      // Without a watch there is still the poll.
    }
    this.#poll();
  }

  /** One commit is several writes to the file: all that come in one turn of the event loop are one look. */
  #scheduleCheck(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#timer !== undefined) this.#check();
    });
  }

  #poll(): void {
    this.#timer = setTimeout(() => {
      this.#pollMs = this.#check() ? BUSY_POLL_MS : Math.min(IDLE_POLL_MS, this.#pollMs * 1.5);
      if (this.#timer !== undefined) this.#poll();
    }, this.#pollMs);
  }

  /** Wakes those who follow what has changed, or is gone. */
  #check(): boolean {
    try {
      const version = this.#reader.dataVersion();
      if (version === this.#version) return false;
      this.#version = version;
      const found = new Map(this.#versions([...this.#followed.keys()]));
      for (const [id, entry] of this.#followed) {
        const lastSeq = found.get(id) ?? -2;
        if (lastSeq === entry.lastSeq) continue;
        entry.lastSeq = lastSeq;
        this.changes.notify(id);
      }
      return true;
    } catch {
      // The reading of the tails themselves says what is wrong with the file.
      this.changes.notifyAll();
      return true;
    }
  }
}

function findLastSeqs(reader: SqliteReader, ids: readonly string[]): [string, number][] {
  return reader.ask((database) =>
    database
      .prepare("SELECT id, last_seq FROM sessions WHERE id IN (SELECT value FROM json_each(?))")
      .raw()
      .all([JSON.stringify(ids)]),
  ) as [string, number][];
}
