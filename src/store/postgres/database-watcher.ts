import { randomUUID } from "node:crypto";
import pg from "pg";
import { ChangeSignal } from "../change-signal.ts";
import { toChannel } from "./change-notifier.ts";
import type { PostgresDatabase } from "./postgres-database.ts";

/** Looked at least so often after something happened, and so rarely when nothing has for a while. */
const BUSY_POLL_MS = 50;
const IDLE_POLL_MS = 250;
/** The net below the notifications, while they are known to arrive. */
const LISTENING_POLL_MS = 2_000;
const CONNECT_AGAIN_MS = 1_000;

/** What is watched: its names, each with a key and a number that changes whenever it does, and the channel on which keys are told. */
export interface Watched {
  /** Takes an array of names. */
  readonly sql: string;
  readonly of?: string;
}

const SESSIONS: Watched = { sql: "SELECT id, key, last_seq FROM {s}.sessions WHERE id = ANY($1::text[])" };

interface Followed {
  count: number;
  key: number;
  lastSeq: number;
}

/**
 * Tells the tails of this process what other processes write. One watcher for any number of them: the database says which sessions have
 * grown, and a poll is the net below. Through a pooler in transaction mode no notification arrives, which is found out by one to
 * itself, on another way than it listens on; the poll is then quicker. Runs only while somebody tails.
 */
export class DatabaseWatcher {
  readonly changes = new ChangeSignal();
  readonly #database: PostgresDatabase;
  readonly #listenUrl: string | undefined;
  readonly #watched: Watched;
  readonly #followed = new Map<string, Followed>();
  readonly #idsByKey = new Map<number, string>();
  #client: pg.Client | undefined;
  /** What the connection that listens must hear to be known to hear. */
  #hello = "";
  #isListening = false;
  #again: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pollMs = BUSY_POLL_MS;
  #isStarted = false;

  /** @param listenUrl undefined: only polls */
  constructor(database: PostgresDatabase, listenUrl: string | undefined, watched = SESSIONS) {
    this.#database = database;
    this.#listenUrl = listenUrl;
    this.#watched = watched;
  }

  /** Watches a session until the function that it returns is called. */
  follow(sessionId: string): () => void {
    const unfollow = this.changes.follow(sessionId);
    const entry = this.#followed.get(sessionId) ?? { count: 0, key: -1, lastSeq: -1 };
    entry.count += 1;
    this.#followed.set(sessionId, entry);
    if (!this.#isStarted) this.#start();
    else if (entry.count === 1) this.#pollSoon();
    return () => {
      unfollow();
      entry.count -= 1;
      if (entry.count > 0) return;
      this.#followed.delete(sessionId);
      this.#idsByKey.delete(entry.key);
      if (this.#followed.size === 0) this.stop();
    };
  }

  stop(): void {
    this.#isStarted = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#again);
    this.#timer = undefined;
    this.#hangUp();
  }

  #start(): void {
    this.#isStarted = true;
    this.#pollSoon();
    void this.#listen();
  }

  #pollSoon(): void {
    this.#pollMs = BUSY_POLL_MS;
    this.#poll();
  }

  #poll(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#turn(), this.#pollMs);
  }

  async #turn(): Promise<void> {
    const hasChanged = await this.#check();
    if (!this.#isStarted) return;
    if (this.#isListening) this.#pollMs = LISTENING_POLL_MS;
    else this.#pollMs = hasChanged ? BUSY_POLL_MS : Math.min(IDLE_POLL_MS, this.#pollMs * 1.5);
    this.#poll();
  }

  /** Wakes the tails of those sessions that have grown, or are gone. */
  async #check(): Promise<boolean> {
    let hasChanged = false;
    try {
      const rows = (await this.#database.query("read", this.#watched.sql, [[...this.#followed.keys()]])) as [
        string,
        number,
        number,
      ][];
      const found = new Map(rows.map(([id, key, lastSeq]) => [id, { key, lastSeq }]));
      for (const [id, entry] of this.#followed) {
        const { key, lastSeq } = found.get(id) ?? { key: -1, lastSeq: -2 };
        if (lastSeq === entry.lastSeq && key === entry.key) continue;
        hasChanged = true;
        this.#idsByKey.delete(entry.key);
        if (key !== -1) this.#idsByKey.set(key, id);
        Object.assign(entry, { key, lastSeq });
        this.changes.notify(id);
      }
    } catch {
      // The reading of the tails themselves says what is wrong with the database.
      this.changes.notifyAll();
      hasChanged = true;
    }
    return hasChanged;
  }

  async #listen(): Promise<void> {
    if (this.#listenUrl === undefined || !this.#isStarted) return;
    const channel = toChannel(this.#database.target.schema, this.#watched.of);
    const client = new pg.Client({
      connectionString: this.#listenUrl,
      keepAlive: true,
      application_name: "skein listen",
    });
    this.#client = client;
    const end = (): void => this.#connectAgain(client);
    client.on("error", end);
    client.on("end", end);
    client.on("notification", ({ payload = "" }) => {
      if (this.#client === client) this.#hear(payload);
    });
    try {
      await client.connect();
      await client.query(`LISTEN ${channel}`);
      if (this.#client !== client) return;
      this.#hello = `hello ${randomUUID()}`;
      // Sent by the connection that listens it would come back with the answer, also through a pooler that lets nothing else through.
      await this.#database.query("control", "SELECT pg_notify($1, $2)", [channel, this.#hello]);
    } catch {
      end();
    }
  }

  #hear(payload: string): void {
    if (payload === this.#hello) {
      this.#isListening = true;
      return;
    }
    for (const key of payload.split(" ")) {
      const id = this.#idsByKey.get(Number(key));
      if (id !== undefined) this.changes.notify(id);
    }
  }

  #connectAgain(client: pg.Client): void {
    if (this.#client !== client) return;
    this.#hangUp();
    if (!this.#isStarted) return;
    // What was missed meanwhile is found by the poll, which is quick again.
    this.#pollSoon();
    this.#again = setTimeout(() => void this.#listen(), CONNECT_AGAIN_MS);
  }

  #hangUp(): void {
    this.#isListening = false;
    const client = this.#client;
    this.#client = undefined;
    void client?.end().catch(() => {});
  }
}
