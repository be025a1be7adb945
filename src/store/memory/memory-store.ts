import { setMaxListeners } from "node:events";
import { hostname } from "node:os";
import type { BlobRef, StoredEvent } from "../../event/event.ts";
import { createId } from "../../internal/ids.ts";
import { offerBegin } from "../begin-session.ts";
import type { BegunSession, FirstAppend } from "../begin-session.ts";
import { checkDigest, createBlobRef } from "../blob-digest.ts";
import { ChangeSignal } from "../change-signal.ts";
import { MAX_EVENT_BYTES } from "../encode-events.ts";
import { checkForkRange, findForkPoint } from "../fork-position.ts";
import { ImportedLog } from "../imported-log.ts";
import { InterruptedRun } from "../interrupted-run.ts";
import type { InterruptionReason } from "../interrupted-run.ts";
import { checkAfter, checkFirstBodies, checkLeaseMs, checkNewSession, nameSession } from "../new-session.ts";
import { countOwnEvents, orderPrune } from "../prune-order.ts";
import { compareNewestFirst, isMatch, takeLimit } from "../session-filter.ts";
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
import { blobMissing, sessionBusy, sessionExists, sessionInUse, sessionUnknown, storeClosed } from "../store-faults.ts";
import { tailLog } from "../tail-log.ts";
import { MemoryByteStreams } from "./memory-byte-streams.ts";
import { MemorySession } from "./memory-session.ts";
import { MemoryWriter } from "./memory-writer.ts";

const PAGE = 256;

/** Who writes, where nobody says. */
const OWNER = `${hostname()}:${process.pid}`;

/** A store that lives as long as its process; for tests, and for runs that nobody will ask about. */
export class MemoryStore implements SessionStore {
  readonly capabilities: StoreCapabilities = {
    name: "memory",
    persistence: "memory",
    multiProcess: false,
    durability: "none",
    readOnly: false,
    maxEventBytes: MAX_EVENT_BYTES,
  };
  readonly byteStreams: MemoryByteStreams = new MemoryByteStreams(() => this.#refuseClosed());
  readonly #sessions = new Map<string, MemorySession>();
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #changes = new ChangeSignal();
  readonly #closed = new AbortController();
  readonly #leaseMs: number;

  constructor(leaseMs: number) {
    checkLeaseMs(leaseMs);
    this.#leaseMs = leaseMs;
    // One listener for each tail that waits.
    setMaxListeners(0, this.#closed.signal);
    offerBegin(this, (about, first) => this.#begin(about, first));
  }

  async create(session: NewSession): Promise<Session> {
    this.#refuseClosed();
    const about = nameSession(session);
    if (this.#sessions.has(about.id)) throw sessionExists(about.id);
    return this.#add(new MemorySession(about, Date.now())).toSession();
  }

  async get(sessionId: string): Promise<Session | undefined> {
    this.#refuseClosed();
    return this.#sessions.get(sessionId)?.toSession();
  }

  async #begin(about: NamedSession, { bodies, runId, under }: FirstAppend): Promise<BegunSession> {
    this.#refuseClosed();
    checkNewSession(about);
    checkFirstBodies(bodies);
    if (this.#sessions.has(about.id)) throw sessionExists(about.id);
    if (under instanceof MemoryWriter) under.refuseFenced();
    const session = new MemorySession(about, Date.now());
    const before = session.toSession();
    const writer = this.#replaceWriter(session, this.#leaseMs, OWNER);
    const events = writer.appendNow(bodies, { runId });
    this.#add(session);
    return { session: before, writer, events };
  }

  async list(filter: SessionFilter = {}): Promise<Session[]> {
    this.#refuseClosed();
    return takeLimit(this.#match(filter), filter.limit);
  }

  async openWriter(sessionId: string, options: OpenWriterOptions = {}): Promise<SessionWriter> {
    const session = this.#find(sessionId);
    const leaseMs = options.leaseMs ?? this.#leaseMs;
    checkLeaseMs(leaseMs);
    const older = session.writer;
    if (older !== undefined && options.takeOver === false) throw sessionBusy(sessionId, older.owner);
    const writer = this.#replaceWriter(session, leaseMs, options.owner ?? OWNER);
    if (session.state.openRun !== undefined)
      this.#closeRun(session, writer, older === undefined ? "lease_over" : "taken_over");
    return writer;
  }

  async *read(sessionId: string, options: ReadOptions = {}): AsyncGenerator<StoredEvent> {
    const session = this.#find(sessionId);
    const { after = 0, limit = Number.POSITIVE_INFINITY } = options;
    checkAfter(after);
    const end = Math.min(session.lastSeq, after + limit);
    for (let seq = after; seq < end; seq += PAGE) yield* session.readEvents(seq, Math.min(PAGE, end - seq));
  }

  tail(sessionId: string, options: TailOptions = {}): AsyncIterable<StoredEvent> {
    checkAfter(options.after ?? 0);
    const source = {
      readPage: async (id: string, after: number) => this.#find(id).readEvents(after, PAGE),
      load: async (id: string) => this.#find(id).toSession(),
      changes: this.#changes,
      closed: this.#closed.signal,
    };
    return tailLog(source, sessionId, options);
  }

  async fork(sessionId: string, { atSeq }: { readonly atSeq: number }): Promise<Session> {
    const parent = this.#find(sessionId);
    checkForkRange(sessionId, atSeq, parent.lastSeq);
    const point = await findForkPoint(sessionId, atSeq, this.read(sessionId));
    this.#refuseClosed();
    // The parent may have been deleted while its log was read.
    if (this.#sessions.get(sessionId) !== parent) throw sessionUnknown(sessionId);
    const about = { id: createId("session"), kind: parent.about.kind, labels: parent.about.labels ?? {} };
    const child = this.#add(new MemorySession(about, Date.now(), { session: parent, atSeq }));
    child.state = point.state;
    for (const digest of parent.digests) child.digests.add(digest);
    if (point.openRun !== undefined) {
      const writer = this.#replaceWriter(child, this.#leaseMs, "fork");
      void writer.append([point.openRun.toFinal("forked")]);
      writer.end("writer");
    }
    return child.toSession();
  }

  async recover(): Promise<RecoveredRun[]> {
    this.#refuseClosed();
    const closed: RecoveredRun[] = [];
    for (const session of this.#sessions.values()) {
      const { openRun } = session.state;
      if (openRun === undefined || session.writer !== undefined) continue;
      const writer = this.#replaceWriter(session, this.#leaseMs, "recovery");
      this.#closeRun(session, writer, "lease_over");
      writer.end("writer");
      closed.push({ sessionId: session.about.id, runId: openRun.runId, reason: "lease_over" });
    }
    return closed;
  }

  async delete(sessionId: string): Promise<void> {
    const session = this.#find(sessionId);
    if (session.writer !== undefined) throw sessionBusy(sessionId, session.writer.owner);
    const users = this.#usersOf(session);
    if (users.length > 0) throw sessionInUse(sessionId, users);
    this.#remove(session);
  }

  async prune(filter: PruneFilter, options: { readonly dryRun?: boolean } = {}): Promise<PruneReport> {
    this.#refuseClosed();
    const dryRun = options.dryRun ?? false;
    const named = takeLimit(this.#match(filter), filter.limit);
    const { gone, kept } = orderPrune(named, (id) => this.#usersOf(this.#find(id)));
    if (!dryRun) for (const { id } of gone) this.#remove(this.#find(id));
    const sessions = gone.map((session) => ({ id: session.id, events: countOwnEvents(session) }));
    return { sessions, kept, events: sessions.reduce((sum, { events }) => sum + events, 0), dryRun };
  }

  async importSession(about: ImportedSession, records: AsyncIterable<ImportedRecord>): Promise<Session> {
    this.#refuseClosed();
    const log = new ImportedLog(about);
    const { forkedFrom, ...newSession } = about;
    const origin = forkedFrom === undefined ? undefined : { session: this.#find(forkedFrom.sessionId), ...forkedFrom };
    if (origin !== undefined) checkForkRange(origin.sessionId, origin.atSeq, origin.session.lastSeq);
    const session = new MemorySession(newSession, about.createdAt, origin);
    const blobs: { readonly blob: Uint8Array; readonly digest: string }[] = [];
    for await (const record of records) {
      if ("blob" in record) {
        blobs.push(record);
      } else {
        log.add(record.event, record.line);
        if (record.event.seq > (origin?.atSeq ?? 0)) session.addLines([record.line]);
      }
    }
    this.#refuseClosed();
    if (this.#sessions.has(about.id)) throw sessionExists(about.id);
    if (origin !== undefined && this.#find(origin.sessionId) !== origin.session) throw sessionUnknown(origin.sessionId);
    session.state = log.state;
    session.updatedAt = log.updatedAt;
    for (const digest of log.digests) session.digests.add(digest);
    for (const { blob, digest } of blobs) this.#blobs.set(digest, Uint8Array.from(blob));
    return this.#add(session).toSession();
  }

  async putBlob(bytes: Uint8Array): Promise<BlobRef> {
    this.#refuseClosed();
    const ref = createBlobRef(bytes);
    if (!this.#blobs.has(ref.digest)) this.#blobs.set(ref.digest, Uint8Array.from(bytes));
    return ref;
  }

  async getBlob(ref: BlobRef): Promise<Uint8Array> {
    this.#refuseClosed();
    const digest = checkDigest(ref);
    const blob = this.#blobs.get(digest);
    if (blob === undefined) throw blobMissing(digest);
    return Uint8Array.from(blob);
  }

  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    for (const session of this.#sessions.values()) session.writer?.end("store");
    this.#closed.abort(storeClosed());
    this.byteStreams.wake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #refuseClosed(): void {
    if (this.#closed.signal.aborted) throw storeClosed();
  }

  #find(sessionId: string): MemorySession {
    this.#refuseClosed();
    const session = this.#sessions.get(sessionId);
    if (session === undefined) throw sessionUnknown(sessionId);
    return session;
  }

  #add(session: MemorySession): MemorySession {
    this.#sessions.set(session.about.id, session);
    return session;
  }

  #match(filter: SessionFilter & PruneFilter): Session[] {
    const now = Date.now();
    const sessions = Array.from(this.#sessions.values(), (session) => session.toSession());
    return sessions.filter((session) => isMatch(session, filter, now)).sort(compareNewestFirst);
  }

  #replaceWriter(session: MemorySession, leaseMs: number, owner: string): MemoryWriter {
    session.epoch += 1;
    session.writer?.fence();
    const onAppend = (): void => this.#changes.notify(session.about.id);
    const writer = new MemoryWriter(session, { owner, leaseMs, onAppend });
    session.writer = writer;
    return writer;
  }

  #closeRun(session: MemorySession, writer: MemoryWriter, reason: InterruptionReason): void {
    const run = new InterruptedRun();
    const from = (session.state.openRun?.startedSeq ?? 1) - 1;
    for (let seq = from; seq < session.lastSeq; seq += PAGE)
      for (const event of session.readEvents(seq, PAGE)) run.add(event);
    // An append in memory has happened when it returns its promise.
    void writer.append([run.toFinal(reason)]);
  }

  #usersOf(session: MemorySession): string[] {
    const users: string[] = [];
    for (const other of this.#sessions.values()) {
      if (other.about.parentId === session.about.id || other.origin?.session === session) users.push(other.about.id);
    }
    return users;
  }

  #remove(session: MemorySession): void {
    this.#sessions.delete(session.about.id);
    for (const digest of session.digests) {
      const isUsed = Array.from(this.#sessions.values()).some((other) => other.digests.has(digest));
      if (!isUsed) this.#blobs.delete(digest);
    }
  }
}
