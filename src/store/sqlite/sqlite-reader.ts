import { StoreError } from "../../errors.ts";
import type { BlobRef, StoredEvent } from "../../event/event.ts";
import { blobMissing, sessionUnknown, storeClosed } from "../store-faults.ts";
import { LogRanges } from "./log-ranges.ts";
import type { LogRange } from "./log-ranges.ts";
import { unpackEvents, unpackRow } from "./packed-events.ts";
import type { PackedItem } from "./packed-events.ts";
import { SELECT_SESSIONS, parseSessionRow, querySessions } from "./session-row.ts";
import type { RawSessionRow, SessionRow } from "./session-row.ts";
import { toStoreError } from "./sqlite-binding.ts";
import type { Database, Statement } from "./sqlite-binding.ts";

/** A page ends with the segment that brings it to so many bytes: a few milliseconds of the event loop. */
const PAGE_BYTES = 128 * 1024;
const PAGE_SEGMENTS = 64;

type SegmentRow = [
  firstSeq: number,
  lastSeq: number,
  parts: number,
  text: string,
  run: string | null,
  at: number | null,
];

/** Reads on the main thread, by a connection of its own: it never waits for the writer, nor the writer for it. */
export class SqliteReader {
  readonly #database: Database;
  readonly #path: string;
  readonly #ranges: LogRanges;
  readonly #positions: Statement;
  readonly #lines: Statement;
  readonly #byId: Statement;
  readonly #part: Statement;
  readonly #dataVersion: Statement;
  #isClosed = false;

  constructor(database: Database, path: string) {
    this.#database = database;
    this.#path = path;
    this.#ranges = new LogRanges(database);
    this.#positions = database
      .prepare(
        `SELECT id & 4294967295, bytes FROM segments WHERE id BETWEEN
           (SELECT max(id) FROM segments WHERE id BETWEEN (?1 << 32) AND ((?1 << 32) | ?2)) AND ((?1 << 32) | ?3)
         ORDER BY id LIMIT ${PAGE_SEGMENTS}`,
      )
      .raw();
    this.#lines = database
      .prepare(
        "SELECT id & 4294967295, last_seq, parts, lines, run, at FROM segments WHERE id BETWEEN ((?1 << 32) | ?2) AND ((?1 << 32) | ?3) ORDER BY id",
      )
      .raw();
    this.#byId = database.prepare(`${SELECT_SESSIONS} WHERE s.id = ?`).raw();
    this.#part = database.prepare("SELECT text FROM segment_parts WHERE segment = ((? << 32) | ?) AND part = ?").raw();
    this.#dataVersion = database.prepare("PRAGMA data_version").raw();
  }

  /** Runs a query; what goes wrong comes out as a StoreError. */
  ask<Answer>(query: (database: Database) => Answer): Answer {
    if (this.#isClosed) throw storeClosed();
    try {
      return query(this.#database);
    } catch (error) {
      throw toStoreError(error, this.#path);
    }
  }

  sessions(where: string, parameters: readonly unknown[]): SessionRow[] {
    return this.ask((database) => querySessions(database, where, parameters, Date.now()));
  }

  find(sessionId: string): SessionRow | undefined {
    const [row] = this.ask(() => this.#byId.all([sessionId])) as RawSessionRow[];
    return row === undefined ? undefined : parseSessionRow(row, Date.now());
  }

  /** @throws ValidationError `session_unknown` */
  load(sessionId: string): SessionRow {
    const row = this.find(sessionId);
    if (row === undefined) throw sessionUnknown(sessionId);
    return row;
  }

  /** The events after `after`, a page of them; none at the end of the log. */
  readPage(sessionId: string, after: number): StoredEvent[] {
    const row = this.load(sessionId);
    if (after >= row.session.lastSeq) return [];
    const range = this.ask(() => this.#ranges.find(row, after + 1));
    const events = this.#readRange(sessionId, range, after);
    if (events[0]?.seq === after + 1) return events;
    // Either the session was deleted between the two queries, or the file has a hole.
    this.load(sessionId);
    throw this.#damaged(`the log of session ${JSON.stringify(sessionId)} has no event ${after + 1}`);
  }

  #readRange(sessionId: string, range: LogRange, after: number): StoredEvent[] {
    const rows = this.ask(() => {
      const positions = this.#positions.all([range.key, after + 1, range.to]) as [firstSeq: number, bytes: number][];
      if (positions.length === 0) return [];
      let last = 0;
      let bytes = 0;
      for (const [firstSeq, size] of positions) {
        if (last > 0 && bytes + size > PAGE_BYTES) break;
        last = firstSeq;
        bytes += size;
      }
      const rows = this.#lines.all([range.key, positions[0]?.[0], last]) as SegmentRow[];
      for (const row of rows) if (row[2] > 0) row[3] = this.#joinParts(range.key, row[0], row[2]);
      return rows;
    });
    const events: StoredEvent[] = [];
    for (const row of rows)
      for (const event of this.#parse(sessionId, row))
        if (event.seq > after && event.seq <= range.to) events.push(event);
    return events;
  }

  #joinParts(key: number, seq: number, parts: number): string {
    const texts: string[] = [];
    for (let part = 0; part < parts; part++) {
      const [row] = this.#part.all([key, seq, part]) as [string][];
      texts.push(row?.[0] ?? "");
    }
    return texts.join("");
  }

  #parse(sessionId: string, [firstSeq, lastSeq, parts, text, run, at]: SegmentRow): StoredEvent[] {
    let events: StoredEvent[];
    try {
      if (run === null || at === null) events = parseLines(text, sessionId);
      else if (parts === 0) events = unpackRow(text, { sessionId, firstSeq, run, at });
      else events = unpackEvents([JSON.parse(text) as PackedItem], { sessionId, firstSeq, run, at });
    } catch (cause) {
      throw this.#damaged("an event is not JSON", cause);
    }
    if (events.length !== lastSeq - firstSeq + 1) throw this.#damaged(`events are missing after ${firstSeq - 1}`);
    return events;
  }

  #damaged(what: string, cause?: unknown): StoreError {
    const message = `The store ${this.#path} is damaged: ${what}. Keep a copy of the file and its -wal, and restore it from a backup.`;
    return new StoreError("store_corrupt", message, cause === undefined ? {} : { cause });
  }

  readBlob(ref: BlobRef, digest: string): Uint8Array {
    const [row] = this.ask((database) =>
      database.prepare("SELECT bytes FROM blobs WHERE digest = ?").raw().all([digest]),
    ) as [Buffer][];
    if (row === undefined) throw blobMissing(ref.digest);
    return new Uint8Array(row[0]);
  }

  /** Changes whenever another connection, of this process or of another, has committed. */
  dataVersion(): number {
    const [row] = this.ask(() => this.#dataVersion.all([])) as [number][];
    return row?.[0] ?? 0;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#database.close();
  }
}

/** What a row of format 1 holds: each line is an event of the session that stored it, which need not be the one that is read. */
function parseLines(text: string, sessionId: string): StoredEvent[] {
  const events = text.includes("\n")
    ? (JSON.parse(`[${text.replaceAll("\n", ",")}]`) as StoredEvent[])
    : [JSON.parse(text) as StoredEvent];
  for (const event of events) (event as { sessionId: string }).sessionId = sessionId;
  return events;
}
