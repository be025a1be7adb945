import { storeClosed, storeReadOnly } from "../store-faults.ts";
import { isExpired, isTouchDue, toByteStreamState } from "../byte-stream-rules.ts";
import type {
  ByteStreamAppend,
  ByteStreamAppended,
  ByteStreamCreated,
  ByteStreamMark,
  ByteStreamPage,
  ByteStreamState,
  ByteStreams,
  NewByteStream,
} from "../byte-streams.ts";
import type { ByteStreamAnswer, ByteStreamRequest } from "./byte-stream-commands.ts";
import { findByteStream, hasByteStreams, hasForks, readByteChunk } from "./byte-stream-rows.ts";
import type { ByteStreamRow } from "./byte-stream-rows.ts";
import { DatabaseWatcher } from "./database-watcher.ts";
import type { SqliteReader } from "./sqlite-reader.ts";
import type { WriterChannel } from "./writer-channel.ts";

/** Plain streams in the same file as the sessions: written by the thread that writes, read by the connection of this one. */
export class SqliteByteStreams implements ByteStreams {
  readonly #reader: SqliteReader;
  readonly #channel: WriterChannel | undefined;
  readonly #watcher: DatabaseWatcher;
  #hasTables = false;
  #isClosed = false;

  constructor(reader: SqliteReader, channel: WriterChannel | undefined, path: string) {
    this.#reader = reader;
    this.#channel = channel;
    this.#watcher = new DatabaseWatcher(reader, path, (paths) => this.#versions(paths));
  }

  async create(stream: NewByteStream): Promise<ByteStreamCreated> {
    const answer = (await this.#send({ ask: "create", stream })) as ByteStreamCreated;
    if (answer.is === "created") this.#watcher.changes.notify(stream.path);
    return answer;
  }

  async append(path: string, append: ByteStreamAppend): Promise<ByteStreamAppended> {
    const answer = (await this.#send({ ask: "append", path, append })) as ByteStreamAppended;
    if (answer.is === "appended") this.#watcher.changes.notify(path);
    return answer;
  }

  async find(path: string): Promise<ByteStreamState | "unknown" | "gone"> {
    const row = this.#look(path);
    return typeof row === "string" ? row : toByteStreamState(row);
  }

  async read(
    path: string,
    { from, limitBytes }: { readonly from: number; readonly limitBytes: number },
  ): Promise<ByteStreamPage | "unknown" | "gone"> {
    const row = this.#look(path);
    if (typeof row === "string") return row;
    const chunks: Uint8Array[] = [];
    let next = from;
    let isBoundary = from >= row.length;
    for (let size = 0; next < row.length && (chunks.length === 0 || size < limitBytes);) {
      const at = next;
      const chunk = this.#reader.ask((database) => readByteChunk(database, row, at));
      // It was deleted between the two looks.
      if (chunk === undefined)
        return chunks.length === 0 ? "unknown" : { state: toByteStreamState(row), chunks, next, isBoundary };
      if (chunks.length === 0) isBoundary = chunk.isBoundary;
      chunks.push(chunk.bytes);
      size += chunk.bytes.byteLength;
      next += chunk.bytes.byteLength;
    }
    return { state: toByteStreamState(row), chunks, next, isBoundary };
  }

  async touch(path: string): Promise<void> {
    const row = this.#look(path);
    if (typeof row === "string" || this.#channel === undefined || !isTouchDue(row, Date.now())) return;
    await this.#send({ ask: "touch", path });
  }

  async delete(path: string): Promise<"deleted" | "unknown" | "gone"> {
    const { is } = await this.#send({ ask: "delete", path });
    if (is === "deleted") this.#watcher.changes.notify(path);
    return is as "deleted" | "unknown" | "gone";
  }

  async changed(path: string, seen: ByteStreamMark, signal: AbortSignal): Promise<void> {
    const { changes } = this.#watcher;
    const unfollow = this.#watcher.follow(path);
    try {
      for (;;) {
        if (this.#isClosed) throw storeClosed();
        const version = changes.version(path);
        const row = this.#look(path);
        if (typeof row === "string" || row.length !== seen.length || row.closed !== seen.closed || signal.aborted)
          return;
        await changes.changed(path, version, signal);
      }
    } finally {
      unfollow();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#watcher.stop();
    this.#watcher.changes.notifyAll();
  }

  async #send(request: ByteStreamRequest): Promise<ByteStreamAnswer> {
    if (this.#channel === undefined) throw storeReadOnly();
    const result = await this.#channel.send({ kind: "byte-stream", request });
    return (result as { readonly answer: ByteStreamAnswer }).answer;
  }

  #look(path: string): ByteStreamRow | "unknown" | "gone" {
    return this.#reader.ask((database) => {
      this.#hasTables ||= hasByteStreams(database);
      if (!this.#hasTables) return "unknown";
      const row = findByteStream(database, "path", path);
      if (row === undefined) return "unknown";
      if (row.isDeleted) return "gone";
      if (!isExpired(row, Date.now())) return row;
      // The next command that meets it deletes it.
      return hasForks(database, row.key) ? "gone" : "unknown";
    });
  }

  #versions(paths: readonly string[]): [string, number][] {
    return this.#reader.ask((database) => {
      this.#hasTables ||= hasByteStreams(database);
      if (!this.#hasTables) return [];
      const sql =
        "SELECT path, length * 4 + closed * 2 + deleted FROM byte_streams WHERE path IN (SELECT value FROM json_each(?))";
      return database
        .prepare(sql)
        .raw()
        .all([JSON.stringify(paths)]) as [string, number][];
    });
  }
}
