import { createId } from "../../internal/ids.ts";
import { isExpired, isTouchDue, judgeAppend, judgeCreate, toByteStreamState } from "../byte-stream-rules.ts";
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
import { storeClosed } from "../store-faults.ts";
import {
  APPEND_TO_BYTE_STREAM,
  BYTE_STREAM_SCHEMA,
  BYTE_STREAM_VERSIONS,
  CREATE_BYTE_STREAM,
  expireByteStreams,
  findByteStream,
  readByteChunks,
  removeByteStream,
  sweepByteStreams,
} from "./byte-stream-statements.ts";
import type { ByteStreamRow } from "./byte-stream-statements.ts";
import { ChangeNotifier } from "./change-notifier.ts";
import { DatabaseWatcher } from "./database-watcher.ts";
import { NOW } from "./postgres-database.ts";
import type { PostgresDatabase } from "./postgres-database.ts";
import { isViolation } from "./postgres-failure.ts";

/** What tells its changes from those of sessions. */
const STREAMS = " streams";

type Writing = <Result>(work: () => Promise<Result>) => Promise<Result>;

/**
 * Plain streams beside the sessions. What a request does is decided here, over what was read, and done by one statement that takes effect only where
 * the stream is still as it was read; otherwise it is decided anew. Requests of this process about one stream go one after the other.
 */
export class PostgresByteStreams implements ByteStreams {
  readonly #database: PostgresDatabase;
  readonly #synchronousCommit: "on" | "off";
  readonly #writing: Writing;
  readonly #watcher: DatabaseWatcher;
  readonly #notifier: ChangeNotifier;
  /** The last request about each path that is being worked on. */
  readonly #turns = new Map<string, Promise<unknown>>();
  #hasTables = false;
  #isClosed = false;

  /** @param writing refuses where the store is closed or takes no writes */
  constructor(
    database: PostgresDatabase,
    durability: "disk" | "process",
    listenUrl: string | undefined,
    writing: Writing,
  ) {
    this.#database = database;
    this.#synchronousCommit = durability === "disk" ? "on" : "off";
    this.#writing = writing;
    this.#watcher = new DatabaseWatcher(database, listenUrl, { sql: BYTE_STREAM_VERSIONS, of: STREAMS });
    this.#notifier = new ChangeNotifier(database, STREAMS);
  }

  create(wanted: NewByteStream): Promise<ByteStreamCreated> {
    return this.#inTurn(wanted.path, async () => {
      if (wanted.path.includes("\0"))
        return { is: "conflict", why: "its path holds a zero byte, which the database does not take" };
      await expireByteStreams(this.#database);
      await sweepByteStreams(this.#database);
      for (;;) {
        const made = await this.#tryCreate(wanted);
        if (made !== undefined) return made;
      }
    });
  }

  /** @returns undefined where something came in between */
  async #tryCreate(wanted: NewByteStream): Promise<ByteStreamCreated | undefined> {
    const { path, fork, bytes, closed } = wanted;
    const existing = await this.#take(path);
    const source = fork === undefined ? undefined : await this.#take(fork.from);
    const at = fork?.position;
    const [chunk] =
      source === undefined || at === undefined || at >= source.length
        ? []
        : (await readByteChunks(this.#database, source, at, 1)).chunks;
    const judged = judgeCreate(wanted, existing, source, () => chunk);
    if (judged.is !== "new") return judged;
    const { start, contentType, ttlSeconds, expiresAt } = judged;
    const length = start + bytes.byteLength;
    try {
      const [row] = (await this.#database.query("control", CREATE_BYTE_STREAM, [
        path,
        contentType,
        ttlSeconds ?? null,
        expiresAt ?? null,
        length,
        closed,
        source?.key ?? null,
        start,
        createId("stream"),
        toBuffer(bytes),
        this.#synchronousCommit,
      ])) as unknown as [number][];
      if (row === undefined) return undefined;
      const [key] = row;
      this.#tell(path, key);
      const stored = { id: String(key), path, contentType, length, closed, accessedAt: 0 };
      const ends = {
        ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
      };
      return { is: "created", state: toByteStreamState({ ...stored, ...ends }) };
    } catch (error) {
      // The source has gone since it was looked at.
      if (isViolation(error, "23503")) return undefined;
      throw error;
    }
  }

  append(path: string, append: ByteStreamAppend): Promise<ByteStreamAppended> {
    return this.#inTurn(path, async () => {
      for (;;) {
        const row = await this.#take(path, append.producer?.id);
        if (row === undefined) return { is: "unknown" };
        if (row.isDeleted) return { is: "gone" };
        const judged = judgeAppend(row, row.producer, append);
        if (judged.is !== "appended" || (await this.#tryAppend(row, append, judged.state.closed))) return judged;
      }
    });
  }

  /** @returns false where something came in between */
  async #tryAppend(row: ByteStreamRow, append: ByteStreamAppend, closed: boolean): Promise<boolean> {
    const { key, version, length, path } = row;
    const { bytes, streamSeq, producer } = append;
    const token = createId("append");
    let isRetry = false;
    const onUnknownOutcome = (): void => {
      isRetry = true;
    };
    const rows = await this.#database.query(
      "control",
      APPEND_TO_BYTE_STREAM,
      [
        key,
        version,
        toBuffer(bytes),
        closed,
        streamSeq ?? null,
        length,
        token,
        producer?.id ?? null,
        producer?.epoch ?? null,
        producer?.seq ?? null,
        this.#synchronousCommit,
      ],
      { onUnknownOutcome, keepAs: "stream" },
    );
    let isDone = rows.length > 0;
    if (!isDone && isRetry) {
      // An attempt whose answer never came may have stored it. Without bytes it is as well decided anew.
      const sql = "SELECT 1 FROM {s}.byte_stream_chunks WHERE stream = $1 AND position = $2 AND token = $3";
      isDone = (await this.#database.query("control", sql, [key, length, token])).length > 0;
    }
    if (isDone) this.#tell(path, key);
    return isDone;
  }

  async find(path: string): Promise<ByteStreamState | "unknown" | "gone"> {
    const row = await this.#look(path);
    return typeof row === "string" ? row : toByteStreamState(row);
  }

  async read(
    path: string,
    { from, limitBytes }: { readonly from: number; readonly limitBytes: number },
  ): Promise<ByteStreamPage | "unknown" | "gone"> {
    const row = await this.#look(path);
    if (typeof row === "string") return row;
    const state = toByteStreamState(row);
    const chunks: Uint8Array[] = [];
    let next = from;
    let isBoundary = from >= row.length;
    while (next < row.length && (chunks.length === 0 || next - from < limitBytes)) {
      const part = await readByteChunks(this.#database, row, next, limitBytes - (next - from));
      // It was deleted between the two looks.
      if (part.chunks.length === 0) return chunks.length === 0 ? "unknown" : { state, chunks, next, isBoundary };
      if (chunks.length === 0) isBoundary = part.isBoundary;
      for (const chunk of part.chunks) {
        chunks.push(chunk);
        next += chunk.byteLength;
      }
    }
    return { state, chunks, next, isBoundary };
  }

  async touch(path: string): Promise<void> {
    const row = await this.#look(path);
    if (typeof row === "string" || !isTouchDue(row, row.now)) return;
    const sql = `UPDATE {s}.byte_streams SET accessed_at = ${NOW} WHERE key = $1`;
    await this.#writing(() => this.#database.query("control", sql, [row.key]));
  }

  delete(path: string): Promise<"deleted" | "unknown" | "gone"> {
    return this.#inTurn(path, async () => {
      const row = await this.#take(path);
      if (row === undefined) return "unknown";
      if (row.isDeleted || !(await removeByteStream(this.#database, row))) return "gone";
      this.#tell(path, row.key);
      await sweepByteStreams(this.#database);
      return "deleted";
    });
  }

  async changed(path: string, seen: ByteStreamMark, signal: AbortSignal): Promise<void> {
    const { changes } = this.#watcher;
    const unfollow = this.#watcher.follow(path);
    try {
      for (;;) {
        const version = changes.version(path);
        const row = await this.#look(path);
        if (typeof row === "string" || row.length !== seen.length || row.closed !== seen.closed || signal.aborted)
          return;
        await changes.changed(path, version, signal);
      }
    } finally {
      unfollow();
    }
  }

  /** Wakes everybody who waits; what has changed is told before. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#watcher.stop();
    this.#watcher.changes.notifyAll();
    await Promise.allSettled(this.#turns.values());
    await this.#notifier.stop();
  }

  /** A path's row for a request that may change it: what has expired, or only waited for its forks, goes first. */
  async #take(path: string, producerId?: string): Promise<ByteStreamRow | undefined> {
    if (path.includes("\0")) return undefined;
    const row = await findByteStream(this.#database, "path", path, producerId);
    if (row === undefined) return undefined;
    if (row.isDeleted ? row.hasForks : !isExpired(row, row.now)) return row;
    await removeByteStream(this.#database, row);
    return row.hasForks ? { ...row, isDeleted: true } : undefined;
  }

  async #look(path: string): Promise<ByteStreamRow | "unknown" | "gone"> {
    if (this.#isClosed) throw storeClosed();
    if (path.includes("\0") || !(await this.#findTables())) return "unknown";
    const row = await findByteStream(this.#database, "path", path);
    if (row === undefined) return "unknown";
    if (!row.isDeleted && !isExpired(row, row.now)) return row;
    // The next request that would change it removes it.
    return row.hasForks ? "gone" : "unknown";
  }

  async #findTables(): Promise<boolean> {
    if (this.#hasTables) return true;
    const [row] = await this.#database.query("read", "SELECT to_regclass('{s}.deleted_byte_streams') IS NOT NULL");
    this.#hasTables = row?.[0] === true;
    return this.#hasTables;
  }

  /** Does what writes, after all that this process does with the same stream. */
  #inTurn<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#turns.get(path) ?? Promise.resolve();
    const turn = before.then(() =>
      this.#writing(async () => {
        await this.#makeTables();
        return work();
      }),
    );
    const settled = turn.then(
      () => {},
      () => {},
    );
    this.#turns.set(path, settled);
    void settled.then(() => {
      if (this.#turns.get(path) === settled) this.#turns.delete(path);
    });
    return turn;
  }

  async #makeTables(): Promise<void> {
    if (await this.#findTables()) return;
    await this.#database.transaction(async (query) => {
      await query(
        `SELECT pg_advisory_xact_lock(hashtext('skein streams'), hashtext('${this.#database.target.schema}'))`,
      );
      await query(BYTE_STREAM_SCHEMA);
    });
    this.#hasTables = true;
  }

  #tell(path: string, key: number): void {
    this.#watcher.changes.notify(path);
    this.#notifier.add(key);
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
