import type { BlobRef, EventBody, RunStatus, StoredEvent, TurnMark } from "../event/event.ts";
import type { ByteStreams } from "./byte-streams.ts";

/**
 * The port of the log: sessions, each an append-only log of events with one live writer at a time.
 *
 * What every adapter promises, and `testSessionStore` in `skein/testing` proves:
 * - An append is atomic and, when its promise resolves, as durable as the store was opened for. Appends of one writer take
 *   effect in the order of the calls, also when they are not awaited one by one.
 * - `seq` starts at 1 and has no gaps; the bytes of an event never change (L4).
 * - `openWriter` raises the epoch. An append under an older epoch rejects with `FencedError` and changes nothing (L5).
 * - A read never waits for a writer, nor a writer for a reader.
 * - A failed write rejects with `StoreError`; the store then refuses further writes (`store_closed`) until it is opened again,
 *   for nobody knows what reached the disk.
 * - Ids that are unknown are `ValidationError('session_unknown')`, except in `get`, which answers undefined.
 */
export interface SessionStore extends AsyncDisposable {
  readonly capabilities: StoreCapabilities;

  /** Plain streams beside the sessions; absent in a store that keeps none. */
  readonly byteStreams?: ByteStreams;

  /** @throws ValidationError `session_exists` */
  create(session: NewSession): Promise<Session>;

  get(sessionId: string): Promise<Session | undefined>;

  /** Newest first (by `createdAt`, then id). */
  list(filter?: SessionFilter): Promise<Session[]>;

  /**
   * Becomes the session's one writer: raises the epoch, so that an older writer is fenced, and renews its own lease until it is closed.
   * If the session's last run is open, it is closed first as `interrupted`.
   *
   * @throws ValidationError `session_unknown`; `session_busy` where `takeOver` is false and another writer is alive
   */
  openWriter(sessionId: string, options?: OpenWriterOptions): Promise<SessionWriter>;

  /** The events after `after` (default 0: all), in order, as far as the log goes now; at most `limit`. */
  read(sessionId: string, options?: ReadOptions): AsyncIterable<StoredEvent>;

  /**
   * The past, then the live events, also those that another process writes; without a gap between the two and without doubles.
   * Ends when the signal fires (without throwing), when the store is closed, or, with `until: 'final'`, after the next `final` that it delivers;
   * with `until: 'final'` it also ends at once where the log after `after` is complete and no run is open.
   */
  tail(sessionId: string, options?: TailOptions): AsyncIterable<StoredEvent>;

  /**
   * A new session whose first `atSeq` events are the parent's: they read with the child's `sessionId` and otherwise the same bytes.
   * A run that was open at `atSeq` is closed by the child's first own event, `final` (`interrupted`, reason `forked`).
   *
   * @throws ValidationError `fork_position` outside 1..lastSeq or inside an open tool call; `fork_position` names the nearest clean positions
   */
  fork(sessionId: string, options: { readonly atSeq: number }): Promise<Session>;

  /**
   * Closes every run whose process died (L7): at once where the owner is provably dead, otherwise when its lease is over.
   * Exactly once, however many processes call it at the same time; returns what this call closed.
   */
  recover(): Promise<RecoveredRun[]>;

  /** @throws ValidationError `session_in_use` while forks or children refer to it, `session_busy` while a writer is alive */
  delete(sessionId: string): Promise<void>;

  /** Deletes what the filter names and nothing refers to; sessions with a live writer stay. */
  prune(filter: PruneFilter, options?: { readonly dryRun?: boolean }): Promise<PruneReport>;

  /**
   * Takes in a session that another store held, with its events as they stand: `exportSession` and `importSession` are made of it.
   * The records were checked by the caller. Either all of it is stored, or, where the store or the records fail, nothing.
   * A fork stays one where `forkedFrom` names its parent, which must be here already: the records are its whole log all the same,
   * and what it shares with its parent is not stored a second time.
   *
   * @throws ValidationError `session_exists`, `event_too_large`, `session_unknown` and `fork_position` for the parent, and what the records throw
   */
  importSession(session: ImportedSession, records: AsyncIterable<ImportedRecord>): Promise<Session>;

  /** Stores bytes under the hash of their content; the same bytes are stored once. Durable when it resolves. */
  putBlob(bytes: Uint8Array): Promise<BlobRef>;

  /** @throws StoreError `store_failed` where the blob is not there */
  getBlob(ref: BlobRef): Promise<Uint8Array>;

  /** Waits for what was appended, gives up the leases of its writers, and closes. Later calls reject with `store_closed`. */
  close(): Promise<void>;
}

export interface StoreCapabilities {
  readonly name: string;
  /** What outlives the process: `memory` nothing, the others a `kill -9`. */
  readonly persistence: "memory" | "file" | "server";
  /** Whether other processes can open the same sessions. */
  readonly multiProcess: boolean;
  /** What survives when an append resolved: `disk` a power cut, `process` the death of the process. */
  readonly durability: "disk" | "process" | "none";
  readonly readOnly: boolean;
  /** The largest event in bytes of its JSON; a larger one is `event_too_large`. */
  readonly maxEventBytes: number;
}

export interface OpenStoreOptions {
  /** Default false. Every write then rejects with `StoreError('store_read_only')`; opening makes no file and recovers nothing. */
  readonly readOnly?: boolean;
  /** Default `disk`. */
  readonly durability?: "disk" | "process";
  /** Milliseconds that a writer's claim lasts without being renewed. Default 15,000. */
  readonly leaseMs?: number;
}

export const DEFAULT_LEASE_MS = 15_000;

/** What a session is doing: `created` before its first run, `running`, or how its last run ended. */
export type SessionStatus = "created" | "running" | RunStatus;

export interface NewSession {
  /** 1 to 256 characters without control characters. Default: a new one. */
  readonly id?: string;
  /** `task` or `loop`; other words are allowed and are listed by `list({ kind })`. Default `task`. */
  readonly kind?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** The session on whose behalf this one is written, such as the loop of an iteration. */
  readonly parentId?: string;
}

/** A new session whose id and kind are settled. */
export interface NamedSession extends NewSession {
  readonly id: string;
  readonly kind: string;
}

/** A session that comes from another store. */
export interface ImportedSession extends NamedSession {
  readonly createdAt: number;
  readonly forkedFrom?: { readonly sessionId: string; readonly atSeq: number };
}

/** An event with its line, or a blob, of a session that comes from another store: first all events, in order, then the blobs. */
export type ImportedRecord =
  | { readonly event: StoredEvent; readonly line: string }
  | { readonly blob: Uint8Array; readonly digest: string };

export interface Session {
  readonly id: string;
  readonly kind: string;
  readonly status: SessionStatus;
  readonly labels: Readonly<Record<string, string>>;
  readonly parentId?: string;
  readonly forkedFrom?: { readonly sessionId: string; readonly atSeq: number };
  /** The kind of the backend that ran last. */
  readonly backend?: string;
  readonly resumeToken?: string;
  readonly lastSeq: number;
  readonly epoch: number;
  /** The run that has no `final` yet. */
  readonly openRun?: { readonly runId: string; readonly startedSeq: number };
  /** The last run, open or not. */
  readonly lastRunId?: string;
  /** Who writes, while a writer is open and its lease is not over. */
  readonly writer?: { readonly owner: string; readonly leaseUntil: number };
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface SessionFilter {
  readonly status?: SessionStatus;
  readonly kind?: string;
  /** A session's id: only its children. `null`: only sessions without a parent. */
  readonly parentId?: string | null;
  /** `name` (is there) or `name=value`. */
  readonly label?: string;
  /** Only sessions created before this moment (milliseconds since the epoch). */
  readonly before?: number;
  /** Default: all. */
  readonly limit?: number;
}

export interface PruneFilter extends SessionFilter {
  /** Only sessions last written to at least so many milliseconds ago. */
  readonly olderThanMs?: number;
}

export interface PruneReport {
  readonly sessions: readonly { readonly id: string; readonly events: number }[];
  /** Sessions that the filter names and that stay, with the reason. */
  readonly kept: readonly { readonly id: string; readonly reason: string }[];
  readonly events: number;
  readonly dryRun: boolean;
}

export interface OpenWriterOptions {
  /** Who writes, for people. Default: host and process id. */
  readonly owner?: string;
  readonly leaseMs?: number;
  /** Default true. False refuses with `session_busy` while another writer is alive, in the same step as the opening. */
  readonly takeOver?: boolean;
}

export interface AppendOptions {
  /** The id of a run that begins with these bodies. */
  readonly runId?: string;
  /**
   * Called before `append` returns, where the bodies were found fit and have their positions: they will be stored before whatever is appended
   * next, unless the writer is at its end. A store that cannot tell so early does not call it.
   */
  readonly onAccepted?: () => void;
}

export interface ReadOptions {
  readonly after?: number;
  readonly limit?: number;
}

export interface TailOptions {
  readonly after?: number;
  readonly until?: "final";
  readonly signal?: AbortSignal;
}

/** A body with its place in a box's turn, where it has one. */
export type AppendBody = EventBody & { readonly turn?: TurnMark };

/** The one live writer of a session. */
export interface SessionWriter extends AsyncDisposable {
  readonly sessionId: string;
  readonly epoch: number;
  /** Fires when the writer learns that it was fenced or that its store failed: stop what produces events. */
  readonly lost?: AbortSignal;
  /**
   * Appends in one atomic step and resolves when durable, with the events as every reader will get them.
   * A `run.started` begins a run (`options.runId`, else a new id); other bodies belong to the run that was started last.
   *
   * @throws FencedError, StoreError; ValidationError `event_not_json`, `event_too_large`, and `run_unknown` before the first `run.started`
   */
  append(bodies: readonly AppendBody[], options?: AppendOptions): Promise<StoredEvent[]>;
  /** Gives the lease up. An open run stays open: closing it is the stream's duty, or recovery's. */
  close(): Promise<void>;
}

/** A run that recovery closed. */
export interface RecoveredRun {
  readonly sessionId: string;
  readonly runId: string;
  readonly reason: "owner_dead" | "lease_over";
}
