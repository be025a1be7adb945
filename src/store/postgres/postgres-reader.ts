import { StoreError } from "../../errors.ts";
import type { BlobRef, StoredEvent } from "../../event/event.ts";
import { sessionUnknown } from "../store-faults.ts";
import { readBlob } from "./blob-statements.ts";
import type { PostgresDatabase } from "./postgres-database.ts";
import { parseSegment, readParts } from "./segment-text.ts";
import { SELECT_SESSIONS, parseSessionRow } from "./session-row.ts";
import type { SessionRow } from "./session-row.ts";

/** A page ends with the segment that brings it to so many bytes: a few milliseconds of the event loop. */
const PAGE_BYTES = 256 * 1024;
const PAGE_SEGMENTS = 512;
const MAX_REMEMBERED = 1_000;

const SELECT_PAGE = `
SELECT first_seq, lines FROM (
  SELECT first_seq, lines, sum(bytes) OVER (ORDER BY first_seq) - bytes AS before FROM (
    SELECT first_seq, bytes, lines FROM {s}.segments WHERE session = $1 AND first_seq <= $3
    AND first_seq >= (SELECT first_seq FROM {s}.segments WHERE session = $1 AND first_seq <= $2 ORDER BY first_seq DESC LIMIT 1)
    ORDER BY first_seq LIMIT ${PAGE_SEGMENTS}
  ) AS next
) AS page WHERE before < ${PAGE_BYTES} ORDER BY first_seq`;

/** 2 MB at most: what other readers wait for. */
const PARTS_AT_A_TIME = 4;
const SELECT_PARTS =
  "SELECT text FROM {s}.segment_parts WHERE session = $1 AND seq = $2 AND part >= $3 AND part < $4 ORDER BY part";

interface Origin {
  readonly key: number;
  readonly originKey: number | null;
  readonly forkSeq: number;
}

/** Reads sessions, events and blobs; it never waits for a writer. */
export class PostgresReader {
  readonly #database: PostgresDatabase;
  /** A chain of forks never changes, and a parent stays as long as its forks do. */
  readonly #origins = new Map<number, Origin>();

  constructor(database: PostgresDatabase) {
    this.#database = database;
  }

  async sessions(where: string, parameters: readonly unknown[]): Promise<SessionRow[]> {
    return (await this.#database.query("read", `${SELECT_SESSIONS} ${where}`, parameters)).map(parseSessionRow);
  }

  async find(sessionId: string): Promise<SessionRow | undefined> {
    // No session has such an id, and the database would not take the text.
    if (sessionId.includes("\0")) return undefined;
    const [row] = await this.sessions("WHERE s.id = $1", [sessionId]);
    return row;
  }

  /** @throws ValidationError `session_unknown` */
  async load(sessionId: string): Promise<SessionRow> {
    const row = await this.find(sessionId);
    if (row === undefined) throw sessionUnknown(sessionId);
    return row;
  }

  /** The events after `after` as far as the row knows the log, a page of them; none at its end. */
  async readPage(row: SessionRow, after: number): Promise<StoredEvent[]> {
    const { id, lastSeq } = row.session;
    if (after >= lastSeq) return [];
    const range = await this.#findRange(row, after + 1);
    const lines = await this.#database.query("read", SELECT_PAGE, [range.key, after + 1, range.to]);
    const events: StoredEvent[] = [];
    for (const [seq, text] of lines as [number, string][]) {
      const parts = readParts(text);
      // A large event is a page of its own.
      if (parts !== undefined && events.length > 0) break;
      const segment = parts === undefined ? text : await this.#joinParts(range.key, seq, parts);
      for (const event of this.#parse(segment)) if (event.seq > after && event.seq <= range.to) events.push(event);
      if (parts !== undefined && events.length > 0) break;
    }
    if (range.key !== row.key) for (const event of events) (event as { sessionId: string }).sessionId = id;
    if (events[0]?.seq === after + 1) return events;
    // Either the session was deleted between the two queries, or the log has a hole.
    await this.load(id);
    throw this.#damaged(`the log of session ${JSON.stringify(id)} has no event ${after + 1}`);
  }

  /** The stretch of a log that holds the event `seq`: its own after the fork, those before in its parent, and so on along the chain. */
  async #findRange(row: SessionRow, seq: number): Promise<{ readonly key: number; readonly to: number }> {
    let origin: Origin = row;
    let to = row.session.lastSeq;
    while (origin.originKey !== null && seq <= origin.forkSeq) {
      to = Math.min(to, origin.forkSeq);
      origin = await this.#lookUp(origin.originKey);
    }
    return { key: origin.key, to };
  }

  async #lookUp(key: number): Promise<Origin> {
    const remembered = this.#origins.get(key);
    if (remembered !== undefined) return remembered;
    const sql = "SELECT key, forked_from, fork_seq FROM {s}.sessions WHERE key = $1";
    const [row] = (await this.#database.query("read", sql, [key])) as [number, number | null, number][];
    if (row === undefined) throw this.#damaged("the session that another one was forked from is gone");
    const origin = { key: row[0], originKey: row[1], forkSeq: row[2] };
    if (this.#origins.size >= MAX_REMEMBERED) this.#origins.clear();
    this.#origins.set(key, origin);
    return origin;
  }

  /** The line of a large event, some of its parts at a time. */
  async #joinParts(key: number, seq: number, count: number): Promise<string> {
    const texts: string[] = [];
    for (let part = 0; part < count; part += PARTS_AT_A_TIME) {
      const rows = await this.#database.query("read", SELECT_PARTS, [key, seq, part, part + PARTS_AT_A_TIME]);
      for (const [text] of rows) texts.push(text as string);
    }
    return texts.join("");
  }

  #parse(text: string): StoredEvent[] {
    const events = parseSegment(text);
    if (events === undefined) throw this.#damaged("an event is not JSON");
    return events;
  }

  #damaged(what: string): StoreError {
    return new StoreError(
      "store_corrupt",
      `The store ${this.#database.target.name} is damaged: ${what}. Restore it from a backup.`,
    );
  }

  readBlob(ref: BlobRef, digest: string): Promise<Uint8Array> {
    return readBlob(this.#database, ref, digest);
  }
}
