import { StoreError } from "../../errors.ts";
import type { BlobRef, StoredEvent } from "../../event/event.ts";
import { blobMissing, sessionUnknown, storeClosed } from "../store-faults.ts";
import { LogRanges } from "./log-ranges.ts";
import type { LogRange } from "./log-ranges.ts";
import { SELECT_SESSIONS, parseSessionRow, querySessions } from "./session-row.ts";
import type { RawSessionRow, SessionRow } from "./session-row.ts";
import { toStoreError } from "./sqlite-binding.ts";
import type { Database, Statement } from "./sqlite-binding.ts";

/** A page ends with the segment that brings it to so many bytes: a few milliseconds of the event loop. */
const PAGE_BYTES = 128 * 1024;
const PAGE_SEGMENTS = 64;

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
        "SELECT id & 4294967295, parts, lines FROM segments WHERE id BETWEEN ((?1 << 32) | ?2) AND ((?1 << 32) | ?3) ORDER BY id",
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
    const events = this.#readRange(range, after);
    if (range.key !== row.key) for (const event of events) (event as { sessionId: string }).sessionId = sessionId;
    if (events[0]?.seq === after + 1) return events;
    // Either the session was deleted between the two queries, or the file has a hole.
    this.load(sessionId);
    throw this.#damaged(`the log of session ${JSON.stringify(sessionId)} has no event ${after + 1}`);
  }

  #readRange(range: LogRange, after: number): StoredEvent[] {
    const texts = this.ask(() => {
      const positions = this.#positions.all([range.key, after + 1, range.to]) as [firstSeq: number, bytes: number][];
      if (positions.length === 0) return [];
      let last = 0;
      let bytes = 0;
      for (const [firstSeq, size] of positions) {
        if (last > 0 && bytes + size > PAGE_BYTES) break;
        last = firstSeq;
        bytes += size;
      }
      const rows = this.#lines.all([range.key, positions[0]?.[0], last]) as [
        firstSeq: number,
        parts: number,
        lines: string,
      ][];
      return rows.map(([firstSeq, parts, lines]) =>
        parts === 0 ? lines : this.#joinParts(range.key, firstSeq, parts),
      );
    });
    const events: StoredEvent[] = [];
    for (const text of texts)
      for (const event of this.#parse(text)) if (event.seq > after && event.seq <= range.to) events.push(event);
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

  #parse(lines: string): StoredEvent[] {
    try {
      if (!lines.includes("\n")) return [JSON.parse(lines) as StoredEvent];
      return JSON.parse(`[${lines.replaceAll("\n", ",")}]`) as StoredEvent[];
    } catch (cause) {
      throw this.#damaged("an event is not JSON", cause);
    }
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
