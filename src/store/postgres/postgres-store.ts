import { setMaxListeners } from "node:events";
import { hostname } from "node:os";
import { SkeinError } from "../../errors.ts";
import type { BlobRef, StoredEvent } from "../../event/event.ts";
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
import { encodeOwner } from "../owner-identity.ts";
import { countOwnEvents, orderPrune } from "../prune-order.ts";
import { NO_RUN } from "../run-state.ts";
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
import { AppendChannel } from "./append-channel.ts";
import { AppendQueue } from "./append-queue.ts";
import type { SessionBeginning } from "./append-queue.ts";
import { putBlob } from "./blob-statements.ts";
import { ChangeNotifier } from "./change-notifier.ts";
import { DatabaseWatcher } from "./database-watcher.ts";
import { importLog } from "./import-log.ts";
import { LeaseRenewal } from "./lease-renewal.ts";
import { recoverRuns, takeSession } from "./open-run.ts";
import { PostgresByteStreams } from "./postgres-byte-streams.ts";
import type { PostgresDatabase } from "./postgres-database.ts";
import { PostgresReader } from "./postgres-reader.ts";
import { PostgresWriter } from "./postgres-writer.ts";
import type { OpenedWriter } from "./postgres-writer.ts";
import { SessionStatements } from "./session-statements.ts";
import { TailReader } from "./tail-reader.ts";
import { deleteSession, findUsers, sweepDeleted, sweepUnusedBlobs } from "./storage-statements.ts";

/** Who writes, where nobody says. */
const OWNER = `${hostname()}:${process.pid}`;

export interface PostgresStoreParts {
  readonly database: PostgresDatabase;
  readonly readOnly: boolean;
  readonly durability: "disk" | "process";
  readonly leaseMs: number;
  /** Where notifications are heard; undefined: tails only poll. */
  readonly listenUrl: string | undefined;
}

/** Sessions in a schema of a Postgres database, shared by any number of processes and machines. */
export class PostgresStore implements SessionStore {
  readonly capabilities: StoreCapabilities;
  readonly byteStreams: PostgresByteStreams;
  readonly #database: PostgresDatabase;
  readonly #reader: PostgresReader;
  readonly #tails: TailReader;
  readonly #statements: SessionStatements;
  readonly #channel: AppendChannel;
  readonly #renewal: LeaseRenewal;
  readonly #notifier: ChangeNotifier;
  readonly #watcher: DatabaseWatcher;
  readonly #leaseMs: number;
  readonly #identity = encodeOwner();
  readonly #writers = new Set<PostgresWriter>();
  readonly #closed = new AbortController();
  #recovery: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor({ database, readOnly, durability, leaseMs, listenUrl }: PostgresStoreParts) {
    this.capabilities = {
      name: "postgres",
      persistence: "server",
      multiProcess: true,
      durability,
      readOnly,
      maxEventBytes: MAX_EVENT_BYTES,
    };
    this.#database = database;
    this.#leaseMs = leaseMs;
    this.#reader = new PostgresReader(database);
    this.#tails = new TailReader(database, this.#reader);
    this.#statements = new SessionStatements(database);
    this.#channel = new AppendChannel(database, durability);
    this.#renewal = new LeaseRenewal(database);
    this.#notifier = new ChangeNotifier(database);
    this.#watcher = new DatabaseWatcher(database, listenUrl);
    this.byteStreams = new PostgresByteStreams(database, durability, listenUrl, (work) => this.#writing(work));
    // One listener for each tail that waits.
    setMaxListeners(0, this.#closed.signal);
    if (readOnly) return;
    offerBegin(this, (about, first) => this.#begin(about, first));
    this.#channel.onFailure = (failure, refusal) => {
      for (const writer of [...this.#writers]) writer.stop(failure, refusal);
    };
    this.#recovery = setInterval(() => void this.#recover().catch(() => {}), leaseMs);
    this.#recovery.unref();
  }

  async create(session: NewSession): Promise<Session> {
    return this.#writing(async () => {
      const about = nameSession(session);
      const now = Date.now();
      if (!(await this.#statements.create(about, now))) throw sessionExists(about.id);
      return toNewSession(about, now);
    });
  }

  async #begin(about: NamedSession, { bodies, runId, under }: FirstAppend): Promise<BegunSession> {
    return this.#writing(async () => {
      checkNewSession(about);
      checkFirstBodies(bodies);
      const sessionId = about.id;
      const at = Date.now();
      const encoded = encodeEvents(bodies, { sessionId, lastSeq: 0, state: NO_RUN, at, runId });
      const { events, lines, state, digests } = encoded;
      const leaseMs = this.#leaseMs;
      const key = await this.#sendBeginning(
        {
          about,
          owner: JSON.stringify(OWNER),
          ownerProcess: this.#identity,
          leaseMs,
          token: createId("begun"),
          lines,
          state,
          digests,
        },
        at,
        under instanceof PostgresWriter ? under : undefined,
      );
      if (key === undefined) throw sessionExists(sessionId);
      const writer = this.#addWriter({ sessionId, key, epoch: 1, leaseMs, lastSeq: lines.length, state });
      return { session: toNewSession(about, at), writer, events };
    });
  }

  #sendBeginning(begins: SessionBeginning, at: number, under?: PostgresWriter): Promise<number | undefined> {
    if (under !== undefined) return under.begin(begins, at);
    return new Promise((resolve, reject) => {
      this.#channel.append(new AppendQueue(undefined, 0, 0), {
        firstSeq: 0,
        lines: [],
        at,
        digests: [],
        begins,
        settle: (_outcome, begun) => resolve(begun),
        fail: reject,
      });
    });
  }

  async get(sessionId: string): Promise<Session | undefined> {
    this.#refuseClosed();
    return (await this.#reader.find(sessionId))?.session;
  }

  async list(filter: SessionFilter = {}): Promise<Session[]> {
    this.#refuseClosed();
    return this.#match(filter);
  }

  async openWriter(sessionId: string, options: OpenWriterOptions = {}): Promise<SessionWriter> {
    return this.#writing(async () => {
      const { owner = OWNER, leaseMs = this.#leaseMs, takeOver = true } = options;
      checkLeaseMs(leaseMs);
      const taken = await takeSession(this.#reader, this.#statements, sessionId, { owner, leaseMs, takeOver });
      const { toClose, ...opened } = taken;
      for (const older of this.#writers)
        if (older.key === opened.key && older.epoch < opened.epoch) older.lose("taken_over");
      const writer = this.#addWriter(opened);
      if (toClose !== undefined) await writer.append([toClose]);
      return writer;
    });
  }

  #addWriter(opened: OpenedWriter): PostgresWriter {
    const { sessionId, key } = opened;
    const writer = new PostgresWriter(this.#channel, opened, {
      onAppend: () => this.#tell(sessionId, key),
      onEnd: (ended) => {
        this.#writers.delete(ended);
        this.#renewal.remove(ended);
      },
    });
    this.#writers.add(writer);
    this.#renewal.add(writer);
    this.#tell(sessionId, key);
    return writer;
  }

  async *read(sessionId: string, options: ReadOptions = {}): AsyncGenerator<StoredEvent> {
    this.#refuseClosed();
    const { after = 0, limit = Number.POSITIVE_INFINITY } = options;
    checkAfter(after);
    const row = await this.#reader.load(sessionId);
    const end = Math.min(row.session.lastSeq, after + limit);
    for (let at = after; at < end;) {
      for (const event of await this.#reader.readPage(row, at)) {
        if (event.seq > end) return;
        at = event.seq;
        yield event;
      }
    }
  }

  tail(sessionId: string, options: TailOptions = {}): AsyncIterable<StoredEvent> {
    this.#refuseClosed();
    checkAfter(options.after ?? 0);
    const { changes } = this.#watcher;
    const source = {
      readPage: (id: string, after: number) => this.#tails.readPage(id, after),
      load: async (id: string) => (await this.#reader.load(id)).session,
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
    return this.#writing(async () => {
      const parent = await this.#reader.load(sessionId);
      checkForkRange(sessionId, atSeq, parent.session.lastSeq);
      const point = await findForkPoint(sessionId, atSeq, this.read(sessionId));
      const now = Date.now();
      const id = createId("session");
      const final = point.openRun === undefined ? [] : [point.openRun.toFinal("forked")];
      const { lines, state } = encodeEvents(final, { sessionId: id, lastSeq: atSeq, state: point.state, at: now });
      const made = await this.#statements.fork(parent, { id, atSeq, state, line: lines[0], now });
      if (!made) throw sessionUnknown(sessionId);
      return (await this.#reader.load(id)).session;
    });
  }

  async recover(): Promise<RecoveredRun[]> {
    return this.#writing(() => this.#recover());
  }

  async #recover(): Promise<RecoveredRun[]> {
    const closed = await recoverRuns(this.#reader, this.#statements);
    for (const { run, key } of closed) this.#tell(run.sessionId, key);
    return closed.map(({ run }) => run);
  }

  async delete(sessionId: string): Promise<void> {
    return this.#writing(async () => {
      await this.#remove(sessionId);
      await sweepDeleted(this.#database);
    });
  }

  async prune(filter: PruneFilter, options: { readonly dryRun?: boolean } = {}): Promise<PruneReport> {
    const dryRun = options.dryRun ?? false;
    if (dryRun) {
      this.#refuseClosed();
      return this.#prune(filter, true);
    }
    return this.#writing(async () => {
      const report = await this.#prune(filter, false);
      await sweepDeleted(this.#database);
      await sweepUnusedBlobs(this.#database);
      return report;
    });
  }

  async #prune(filter: PruneFilter, dryRun: boolean): Promise<PruneReport> {
    const named = await this.#match(filter);
    const users = await findUsers(
      this.#database,
      named.map(({ id }) => id),
    );
    const order = orderPrune(named, (id) => users.get(id) ?? []);
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
    return { sessions, kept, events: sessions.reduce((sum, { events }) => sum + events, 0), dryRun };
  }

  async importSession(about: ImportedSession, records: AsyncIterable<ImportedRecord>): Promise<Session> {
    return this.#writing(async () => {
      if (about.forkedFrom !== undefined) {
        const { sessionId, atSeq } = about.forkedFrom;
        checkForkRange(sessionId, atSeq, (await this.#reader.load(sessionId)).session.lastSeq);
      }
      try {
        await importLog(this.#database, about, records);
      } catch (error) {
        // What had come in goes again; if that cannot be now, a later sweep does it.
        if (this.#closing === undefined) void this.resumeSweep();
        throw error;
      }
      return (await this.#reader.load(about.id)).session;
    });
  }

  async putBlob(bytes: Uint8Array): Promise<BlobRef> {
    return this.#writing(async () => {
      const ref = createBlobRef(bytes);
      await putBlob(this.#database, ref.digest, bytes);
      return ref;
    });
  }

  async getBlob(ref: BlobRef): Promise<Uint8Array> {
    this.#refuseClosed();
    return this.#reader.readBlob(ref, checkDigest(ref));
  }

  /** Clears away what a crash left of deleted sessions, beside whatever the store is used for. */
  async resumeSweep(): Promise<void> {
    await sweepDeleted(this.#database).catch(() => {});
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#recovery);
    this.#closed.abort(storeClosed());
    this.#watcher.stop();
    await this.byteStreams.close();
    await Promise.all(Array.from(this.#writers, (writer) => writer.close()));
    await this.#renewal.stop();
    await this.#channel.close();
    if (!this.capabilities.readOnly) await this.#notifier.stop();
    await this.#database.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw storeClosed();
  }

  /** Does what writes. Where the database fails it, nothing more is written by this store. */
  async #writing<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#refuseClosed();
    if (this.capabilities.readOnly) throw storeReadOnly();
    const refusal = this.#channel.refusal();
    if (refusal !== undefined) throw refusal;
    try {
      return await work();
    } catch (error) {
      if (SkeinError.is(error) && (error.code === "store_failed" || error.code === "store_full"))
        this.#channel.fail(error);
      throw error;
    }
  }

  /** A session has grown. */
  #tell(sessionId: string, key: number): void {
    this.#watcher.changes.notify(sessionId);
    this.#notifier.add(key);
  }

  async #match(filter: SessionFilter & PruneFilter): Promise<Session[]> {
    const now = Date.now();
    const { where, parameters } = toSessionQuery(filter, now, (at, isTime) => `$${at}${isTime ? "::numeric" : ""}`);
    const sessions = (await this.#reader.sessions(where, parameters)).map(({ session }) => session);
    return takeLimit(
      sessions.filter((session) => isMatch(session, filter, now)),
      filter.limit,
    );
  }

  async #remove(sessionId: string): Promise<void> {
    const result = await deleteSession(this.#database, await this.#reader.load(sessionId));
    if (result.is === "unknown") throw sessionUnknown(sessionId);
    if (result.is === "busy") throw sessionBusy(sessionId, result.owner);
    if (result.is === "in-use") throw sessionInUse(sessionId, result.users);
  }
}
