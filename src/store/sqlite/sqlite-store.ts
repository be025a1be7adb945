import { setMaxListeners } from "node:events";
import { hostname } from "node:os";
import type { BlobRef, StoredEvent } from "../../event/event.ts";
import type { FencedError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import { offerBegin } from "../begin-session.ts";
import type { BegunSession, FirstAppend } from "../begin-session.ts";
import { checkDigest, createBlobRef } from "../blob-digest.ts";
import { encodeEvents, MAX_EVENT_BYTES } from "../encode-events.ts";
import { checkForkRange, findForkPoint } from "../fork-position.ts";
import {
  checkAfter,
  checkFirstBodies,
  checkLeaseMs,
  checkNewSession,
  nameSession,
  toNewSession,
} from "../new-session.ts";
import { NO_RUN } from "../run-state.ts";
import { countOwnEvents, orderPrune } from "../prune-order.ts";
import { isMatch, takeLimit } from "../session-filter.ts";
import { toSessionQuery } from "../session-query.ts";
import type {
  ImportedRecord,
  ImportedSession,
  NamedSession,
  NewSession,
  OpenWriterOptions,
  PruneFilter,
  PruneReport,
  ReadOptions,
  RecoveredRun,
  Session,
  SessionFilter,
  SessionStore,
  SessionWriter,
  StoreCapabilities,
  TailOptions,
} from "../session-store.ts";
import {
  sessionBusy,
  sessionExists,
  sessionInUse,
  sessionUnknown,
  storeClosed,
  storeReadOnly,
} from "../store-faults.ts";
import { tailLog } from "../tail-log.ts";
import { DatabaseWatcher } from "./database-watcher.ts";
import { importLog } from "./import-log.ts";
import { PACKED_LINES } from "./packed-events.ts";
import { SegmentBuilder, toSegment } from "./segment-builder.ts";
import type { SegmentText } from "./sqlite-command.ts";
import { nextTurn, recoverRuns, takeSession } from "./open-run.ts";
import type { SqliteReader } from "./sqlite-reader.ts";
import { SqliteByteStreams } from "./sqlite-byte-streams.ts";
import { SqliteWriter } from "./sqlite-writer.ts";
import type { OpenedWriter } from "./sqlite-writer.ts";
import type { WriterChannel } from "./writer-channel.ts";

/** Who writes, where nobody says. */
const OWNER = `${hostname()}:${process.pid}`;

export interface SqliteStoreParts {
  readonly path: string;
  readonly reader: SqliteReader;
  /** Absent in a store that was opened for reading only. */
  readonly channel: WriterChannel | undefined;
  readonly durability: "disk" | "process";
  readonly leaseMs: number;
}

/** Sessions in one file. Reads go by a connection of this thread, everything that changes something through the writer's thread. */
export class SqliteStore implements SessionStore {
  readonly capabilities: StoreCapabilities;
  readonly byteStreams: SqliteByteStreams;
  readonly #reader: SqliteReader;
  readonly #channel: WriterChannel | undefined;
  readonly #leaseMs: number;
  readonly #watcher: DatabaseWatcher;
  readonly #writers = new Set<SqliteWriter>();
  readonly #closed = new AbortController();
  #recovery: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor({ path, reader, channel, durability, leaseMs }: SqliteStoreParts) {
    this.capabilities = {
      name: "sqlite",
      persistence: "file",
      multiProcess: true,
      durability,
      readOnly: channel === undefined,
      maxEventBytes: MAX_EVENT_BYTES,
    };
    this.#reader = reader;
    this.#channel = channel;
    this.#leaseMs = leaseMs;
    this.#watcher = new DatabaseWatcher(reader, path);
    this.byteStreams = new SqliteByteStreams(reader, channel, path);
    // One listener for each tail that waits.
    setMaxListeners(0, this.#closed.signal);
    if (channel === undefined) return;
    offerBegin(this, (about, first) => this.#begin(about, first));
    channel.onLost = ({ key, epoch, why }) => {
      for (const writer of this.#writers) if (writer.key === key && writer.epoch === epoch) writer.lose(why);
    };
    channel.onFailure = (failure, refusal) => {
      for (const writer of [...this.#writers]) writer.stop(failure, refusal);
    };
    this.#recovery = setInterval(() => void this.recover().catch(() => {}), leaseMs);
    this.#recovery.unref();
  }

  async create(session: NewSession): Promise<Session> {
    const channel = this.#writable();
    const about = nameSession(session);
    const result = await channel.send({ kind: "create", session: about, now: Date.now() });
    if (result.is === "exists") throw sessionExists(about.id);
    return this.#reader.load(about.id).session;
  }

  async #begin(about: NamedSession, { bodies, runId, under }: FirstAppend): Promise<BegunSession> {
    const channel = this.#writable();
    checkNewSession(about);
    checkFirstBodies(bodies);
    if (under instanceof SqliteWriter) await under.before;
    const sessionId = about.id;
    const at = Date.now();
    const position = { sessionId, lastSeq: 0, state: NO_RUN, at, runId, writer: PACKED_LINES };
    const { events, lines, state, digests } = encodeEvents(bodies, position);
    const segment = new SegmentBuilder();
    for (const [index, event] of events.entries()) segment.add(event, lines[index] as string);
    const result = await channel.send({
      kind: "begin",
      session: about,
      owner: OWNER,
      leaseMs: this.#leaseMs,
      segment: segment.take() as SegmentText,
      state,
      at,
      digests,
      ...(under instanceof SqliteWriter ? { under: { key: under.key, epoch: under.epoch } } : {}),
    });
    if (result.is === "exists") throw sessionExists(sessionId);
    if (result.is !== "opened") throw (under as SqliteWriter).conclude(result) as FencedError;
    const { key, epoch, lastSeq } = result;
    return {
      session: toNewSession(about, at),
      writer: this.#addWriter(channel, { sessionId, key, epoch, lastSeq, state }),
      events,
    };
  }

  async get(sessionId: string): Promise<Session | undefined> {
    return this.#reader.find(sessionId)?.session;
  }

  async list(filter: SessionFilter = {}): Promise<Session[]> {
    return this.#match(filter);
  }

  async openWriter(sessionId: string, options: OpenWriterOptions = {}): Promise<SessionWriter> {
    const channel = this.#writable();
    const { owner = OWNER, leaseMs = this.#leaseMs, takeOver = true } = options;
    checkLeaseMs(leaseMs);
    const { toClose, ...opened } = await takeSession(this.#reader, channel, sessionId, { owner, leaseMs, takeOver });
    for (const older of this.#writers)
      if (older.key === opened.key && older.epoch < opened.epoch) older.lose("taken_over");
    const writer = this.#addWriter(channel, opened);
    if (toClose !== undefined) await writer.append([toClose]);
    return writer;
  }

  #addWriter(channel: WriterChannel, opened: OpenedWriter): SqliteWriter {
    const writer = new SqliteWriter(channel, opened, {
      onAppend: (id) => this.#watcher.changes.notify(id),
      onEnd: (ended) => this.#writers.delete(ended),
    });
    this.#writers.add(writer);
    this.#watcher.changes.notify(opened.sessionId);
    return writer;
  }

  async *read(sessionId: string, options: ReadOptions = {}): AsyncGenerator<StoredEvent> {
    const { after = 0, limit = Number.POSITIVE_INFINITY } = options;
    checkAfter(after);
    const end = Math.min(this.#reader.load(sessionId).session.lastSeq, after + limit);
    for (let at = after; at < end;) {
      for (const event of this.#reader.readPage(sessionId, at)) {
        if (event.seq > end) return;
        at = event.seq;
        yield event;
      }
      if (at < end) await nextTurn();
    }
  }

  tail(sessionId: string, options: TailOptions = {}): AsyncIterable<StoredEvent> {
    checkAfter(options.after ?? 0);
    const { changes } = this.#watcher;
    const source = {
      readPage: async (id: string, after: number) => this.#reader.readPage(id, after),
      load: async (id: string) => this.#reader.load(id).session,
      changes: {
        version: (id: string) => changes.version(id),
        follow: (id: string) => this.#watcher.follow(id),
        changed: (id: string, seen: number, signal: AbortSignal) => changes.changed(id, seen, signal),
      },
      closed: this.#closed.signal,
    };
    return tailLog(source, sessionId, options);
  }

  async fork(sessionId: string, { atSeq }: { readonly atSeq: number }): Promise<Session> {
    const channel = this.#writable();
    const parent = this.#reader.load(sessionId);
    checkForkRange(sessionId, atSeq, parent.session.lastSeq);
    const point = await findForkPoint(sessionId, atSeq, this.read(sessionId));
    const now = Date.now();
    const about = { id: createId("session"), kind: parent.session.kind, labels: parent.session.labels };
    const final = point.openRun === undefined ? [] : [point.openRun.toFinal("forked")];
    const position = { sessionId: about.id, lastSeq: atSeq, state: point.state, at: now, writer: PACKED_LINES };
    const { events, lines, state } = encodeEvents(final, position);
    const [event] = events;
    const own = event === undefined ? {} : { own: toSegment(event, lines[0] as string) };
    const result = await channel.send({
      kind: "fork",
      parentKey: parent.key,
      atSeq,
      session: about,
      state,
      now,
      ...own,
    });
    if (result.is === "unknown") throw sessionUnknown(sessionId);
    return this.#reader.load(about.id).session;
  }

  async recover(): Promise<RecoveredRun[]> {
    const recovered = await recoverRuns(this.#reader, this.#writable());
    for (const { sessionId } of recovered) this.#watcher.changes.notify(sessionId);
    return recovered;
  }

  async delete(sessionId: string): Promise<void> {
    await this.#remove(sessionId);
    await this.#sweep();
  }

  async prune(filter: PruneFilter, options: { readonly dryRun?: boolean } = {}): Promise<PruneReport> {
    const dryRun = options.dryRun ?? false;
    if (!dryRun) this.#writable();
    const order = orderPrune(this.#match(filter), (id) => this.#usersOf(id));
    const sessions: { id: string; events: number }[] = [];
    const kept = [...order.kept];
    for (const session of order.gone) {
      try {
        if (!dryRun) await this.#remove(session.id);
        sessions.push({ id: session.id, events: countOwnEvents(session) });
      } catch (error) {
        // Somebody began to write it, or to refer to it, since the filter was asked; or somebody else removed it.
        const { code, message } = error as { code?: string; message: string };
        if (code === "session_unknown") continue;
        if (code !== "session_busy" && code !== "session_in_use") throw error;
        kept.push({ id: session.id, reason: message });
      }
    }
    if (!dryRun) await this.#sweep();
    return { sessions, kept, events: sessions.reduce((sum, { events }) => sum + events, 0), dryRun };
  }

  async importSession(about: ImportedSession, records: AsyncIterable<ImportedRecord>): Promise<Session> {
    if (about.forkedFrom !== undefined) {
      const { sessionId, atSeq } = about.forkedFrom;
      checkForkRange(sessionId, atSeq, this.#reader.load(sessionId).session.lastSeq);
    }
    try {
      await importLog(this.#writable(), about, records);
    } catch (error) {
      // What had come in goes again; if that cannot be now, the next opening does it.
      if (this.#closing === undefined) void this.#sweep().catch(() => {});
      throw error;
    }
    return this.#reader.load(about.id).session;
  }

  async putBlob(bytes: Uint8Array): Promise<BlobRef> {
    const channel = this.#writable();
    const ref = createBlobRef(bytes);
    await channel.send({ kind: "put-blob", digest: ref.digest, bytes });
    return ref;
  }

  async getBlob(ref: BlobRef): Promise<Uint8Array> {
    return this.#reader.readBlob(ref, checkDigest(ref));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#recovery);
    this.#closed.abort(storeClosed());
    this.#watcher.stop();
    this.byteStreams.close();
    await Promise.all(Array.from(this.#writers, (writer) => writer.close()));
    await this.#channel?.close();
    this.#reader.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #writable(): WriterChannel {
    if (this.#closing !== undefined) throw storeClosed();
    if (this.#channel === undefined) throw storeReadOnly();
    return this.#channel;
  }

  #match(filter: SessionFilter & PruneFilter): Session[] {
    const now = Date.now();
    const { where, parameters } = toSessionQuery(filter, now, () => "?");
    const sessions = this.#reader.sessions(where, parameters).map(({ session }) => session);
    return takeLimit(
      sessions.filter((session) => isMatch(session, filter, now)),
      filter.limit,
    );
  }

  #usersOf(sessionId: string): string[] {
    const sql = `SELECT f.id FROM sessions s JOIN sessions f ON f.forked_from = s.key WHERE s.id = ?1 UNION SELECT id FROM sessions WHERE parent_id = ?1`;
    const rows = this.#reader.ask((database) => database.prepare(sql).raw().all([sessionId])) as [string][];
    return rows.map(([id]) => id);
  }

  async #remove(sessionId: string): Promise<void> {
    const result = await this.#writable().send({ kind: "delete", id: sessionId });
    if (result.is === "unknown") throw sessionUnknown(sessionId);
    if (result.is === "busy") throw sessionBusy(sessionId, result.owner);
    if (result.is === "in-use") throw sessionInUse(sessionId, result.users);
    this.#watcher.changes.notify(sessionId);
  }

  /** Goes on with what a process that died had begun to clear away. */
  async resumeSweep(): Promise<void> {
    const left = this.#reader.ask((database) =>
      database.prepare("SELECT 1 FROM deleted_sessions LIMIT 1").raw().all([]),
    );
    if (left.length > 0) await this.#sweep();
  }

  /** Gives the space back, step by step between the transactions of live writers. */
  async #sweep(): Promise<void> {
    for (;;) {
      const result = await this.#writable().send({ kind: "sweep" });
      if (result.is !== "swept" || result.isComplete) break;
    }
    await this.#writable().compact();
  }
}
