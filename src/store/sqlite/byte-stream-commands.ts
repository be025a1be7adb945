import { isExpired, judgeAppend, judgeCreate, toByteStreamState } from "../byte-stream-rules.ts";
import type { ByteStreamAppend, ByteStreamAppended, ByteStreamCreated, NewByteStream } from "../byte-streams.ts";
import { BYTE_STREAM_SCHEMA, findByteStream, hasForks, readByteChunk } from "./byte-stream-rows.ts";
import type { ByteStreamRow } from "./byte-stream-rows.ts";
import type { Database } from "./sqlite-binding.ts";

/** What the main thread asks about plain streams. */
export type ByteStreamRequest =
  | { readonly ask: "create"; readonly stream: NewByteStream }
  | { readonly ask: "append"; readonly path: string; readonly append: ByteStreamAppend }
  | { readonly ask: "touch" | "delete"; readonly path: string };

export type ByteStreamAnswer = ByteStreamCreated | ByteStreamAppended | { readonly is: "deleted" | "touched" };

/** Chunks of deleted streams that go with each command, so that clearing away keeps up and never takes long. */
const SWEEP_CHUNKS = 64;
/** Streams whose time is over that a creation takes along. */
const EXPIRE_STREAMS = 16;

/** What each request does to the tables of plain streams, inside the transaction of its message. */
export class ByteStreamCommands {
  readonly #database: Database;
  #hasTables = false;

  constructor(database: Database) {
    this.#database = database;
  }

  execute(request: ByteStreamRequest): ByteStreamAnswer {
    if (!this.#hasTables) this.#database.exec(BYTE_STREAM_SCHEMA);
    this.#hasTables = true;
    const now = Date.now();
    this.#sweep();
    if (request.ask === "create") {
      this.#expireSome(now);
      return this.#create(request.stream, now);
    }
    const row = this.#look(request.path, now);
    if (row === undefined) return { is: "unknown" };
    if (row.isDeleted) return { is: "gone" };
    if (request.ask === "append") return this.#append(row, request.append, now);
    if (request.ask === "delete") {
      this.#remove(row);
      return { is: "deleted" };
    }
    this.#database.prepare("UPDATE byte_streams SET accessed_at = ? WHERE key = ?").run([now, row.key]);
    return { is: "touched" };
  }

  #look(path: string, now: number): ByteStreamRow | undefined {
    const row = findByteStream(this.#database, "path", path);
    if (row === undefined || row.isDeleted || !isExpired(row, now)) return row;
    this.#remove(row);
    return findByteStream(this.#database, "path", path);
  }

  #create(wanted: NewByteStream, now: number): ByteStreamCreated {
    const { path, fork, bytes } = wanted;
    const existing = this.#look(path, now);
    const source = fork === undefined ? undefined : this.#look(fork.from, now);
    const judged = judgeCreate(wanted, existing, source, (position) =>
      source === undefined ? undefined : readByteChunk(this.#database, source, position)?.bytes,
    );
    if (judged.is !== "new") return judged;
    const { start, contentType, ttlSeconds, expiresAt } = judged;
    const [made] = this.#database
      .prepare(
        `INSERT INTO byte_streams (path, content_type, ttl_seconds, expires_at, length, closed, forked_from, fork_position, accessed_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING key`,
      )
      .raw()
      .all([
        path,
        contentType,
        ttlSeconds ?? null,
        expiresAt ?? null,
        start + bytes.byteLength,
        wanted.closed ? 1 : 0,
        source?.key ?? null,
        start,
        now,
      ]) as [[number]];
    this.#insertChunk(made[0], start, bytes);
    return { is: "created", state: toByteStreamState(findByteStream(this.#database, "key", made[0]) as ByteStreamRow) };
  }

  #append(row: ByteStreamRow, append: ByteStreamAppend, now: number): ByteStreamAppended {
    const { producer, streamSeq } = append;
    const judged = judgeAppend(row, producer === undefined ? undefined : this.#producer(row.key, producer.id), append);
    if (judged.is !== "appended") return judged;
    this.#insertChunk(row.key, row.length, append.bytes);
    this.#database
      .prepare("UPDATE byte_streams SET length = ?, closed = ?, last_stream_seq = ?, accessed_at = ? WHERE key = ?")
      .run([judged.state.length, judged.state.closed ? 1 : 0, streamSeq ?? row.lastStreamSeq ?? null, now, row.key]);
    if (producer !== undefined)
      this.#database
        .prepare("INSERT OR REPLACE INTO byte_stream_producers (stream, id, epoch, seq) VALUES (?, ?, ?, ?)")
        .run([row.key, producer.id, producer.epoch, producer.seq]);
    return judged;
  }

  #producer(key: number, id: string): { readonly epoch: number; readonly seq: number } | undefined {
    const [row] = this.#database
      .prepare("SELECT epoch, seq FROM byte_stream_producers WHERE stream = ? AND id = ?")
      .raw()
      .all([key, id]) as [number, number][];
    return row === undefined ? undefined : { epoch: row[0], seq: row[1] };
  }

  #insertChunk(key: number, position: number, bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    this.#database
      .prepare("INSERT INTO byte_stream_chunks (stream, position, bytes) VALUES (?, ?, ?)")
      .run([key, position, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)]);
  }

  /** Out of sight at once; its row goes when nothing was forked from it, and with it that of a source that only waited for this. */
  #remove(row: ByteStreamRow): void {
    this.#database.prepare("UPDATE byte_streams SET deleted = 1 WHERE key = ?").run([row.key]);
    let at: ByteStreamRow | undefined = { ...row, isDeleted: true };
    while (at?.isDeleted === true && !hasForks(this.#database, at.key)) {
      this.#database.prepare("DELETE FROM byte_streams WHERE key = ?").run([at.key]);
      this.#database.prepare("INSERT OR IGNORE INTO deleted_byte_streams (key) VALUES (?)").run([at.key]);
      at = at.forkedFrom === undefined ? undefined : findByteStream(this.#database, "key", at.forkedFrom);
    }
  }

  #expireSome(now: number): void {
    const rows = this.#database
      .prepare(
        `SELECT key FROM byte_streams WHERE (ttl_seconds IS NOT NULL OR expires_at IS NOT NULL) AND deleted = 0
         AND (expires_at <= ?1 OR accessed_at + ttl_seconds * 1000 <= ?1) LIMIT ${EXPIRE_STREAMS}`,
      )
      .raw()
      .all([now]) as [number][];
    for (const [key] of rows) {
      const row = findByteStream(this.#database, "key", key);
      if (row !== undefined) this.#remove(row);
    }
  }

  #sweep(): void {
    const [first] = this.#database.prepare("SELECT key FROM deleted_byte_streams LIMIT 1").raw().all([]) as [number][];
    if (first === undefined) return;
    const { changes } = this.#database
      .prepare(
        "DELETE FROM byte_stream_chunks WHERE id IN (SELECT id FROM byte_stream_chunks WHERE stream = ? LIMIT ?)",
      )
      .run([first[0], SWEEP_CHUNKS]);
    if (changes === SWEEP_CHUNKS) return;
    this.#database.prepare("DELETE FROM byte_stream_producers WHERE stream = ?").run([first[0]]);
    this.#database.prepare("DELETE FROM deleted_byte_streams WHERE key = ?").run([first[0]]);
  }
}
