import type { FinalBody, StoredEvent } from "../../event/event.ts";
import type { InterruptionReason } from "../interrupted-run.ts";
import { killPoint } from "../../internal/kill-point.ts";
import { foldRunState } from "../run-state.ts";
import { ByteStreamCommands } from "./byte-stream-commands.ts";
import { ImportCommands } from "./import-commands.ts";
import { packEvent } from "./packed-events.ts";
import { toSegment } from "./segment-builder.ts";
import type { Lease, OpenLeases } from "./open-leases.ts";
import { encodeOwner } from "../owner-identity.ts";
import { SegmentWriter, toStateColumns } from "./segment-writer.ts";
import { judgeOwner, querySessions, toRunState } from "./session-row.ts";
import type { SessionRow } from "./session-row.ts";
import { executeDelete, executePutBlob, executeSweep } from "./storage-commands.ts";
import type { Database, Statement } from "./sqlite-binding.ts";
import type {
  AppendCommand,
  BeginCommand,
  CloseRunCommand,
  CommandResult,
  ForkCommand,
  OpenWriterCommand,
  PutPartCommand,
  SqliteCommand,
} from "./sqlite-command.ts";

/**
 * What each command does to the database, inside the transaction of its message. A command decides before it writes:
 * one that is refused has changed nothing, so that it harms none of the others in its transaction.
 */
export class CommandExecutor {
  readonly #database: Database;
  readonly #leases: OpenLeases;
  readonly #segments: SegmentWriter;
  readonly #imports: ImportCommands;
  readonly #byteStreams: ByteStreamCommands;
  readonly #identity = encodeOwner();
  readonly #insertBegun: Statement;
  readonly #liveEpoch: Statement;
  readonly #release: Statement;
  /** Leases that the running transaction ends; they are dropped once it is committed. */
  #ended: (() => void)[] = [];
  /** The writer that the running transaction found to be its session's, by appending under it. */
  #live: { readonly key: number; readonly epoch: number } | undefined;

  constructor(database: Database, leases: OpenLeases) {
    this.#database = database;
    this.#leases = leases;
    this.#segments = new SegmentWriter(database);
    this.#imports = new ImportCommands(database, this.#segments);
    this.#insertBegun = database.prepare(
      `INSERT OR IGNORE INTO sessions (id, kind, labels, parent_id, last_seq, epoch, created_at, updated_at, owner, owner_process, lease_until,
         status, open_run_id, open_run_seq, last_run_id, backend, resume_token)
       VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#liveEpoch = database.prepare("SELECT 1 FROM sessions WHERE key = ? AND epoch = ?").raw();
    this.#release = database.prepare(
      "UPDATE sessions SET owner = NULL, owner_process = NULL, lease_until = 0 WHERE key = ? AND epoch = ?",
    );
    this.#byteStreams = new ByteStreamCommands(database);
  }

  /** Called when a transaction begins: nothing that one before it found or wanted counts, for it may have been rolled back. */
  begin(): void {
    this.#ended = [];
    this.#live = undefined;
  }

  execute(command: SqliteCommand): CommandResult {
    switch (command.kind) {
      case "append":
        return this.#append(command);
      case "put-part":
        return this.#putPart(command);
      case "create":
        return this.#create(command.session, command.now);
      case "begin":
        return this.#begin(command);
      case "open-writer":
        return this.#openWriter(command);
      case "close-writer":
        return this.#closeWriter(command.key, command.epoch);
      case "close-run":
        return this.#closeRun(command);
      case "fork":
        return this.#fork(command);
      case "delete":
        return executeDelete(this.#database, this.#find(command.id), Date.now());
      case "sweep":
        return executeSweep(this.#database, Date.now());
      case "put-blob":
        if (command.importKey !== undefined) this.#imports.addBlob(command.importKey, command.digest);
        return executePutBlob(this.#database, command.digest, command.bytes, Date.now());
      case "begin-import":
        return this.#imports.begin();
      case "import-segments":
        return this.#imports.addSegments(command.key, command.segments);
      case "import-part":
        return this.#imports.addPart(command);
      case "end-import":
        return this.#imports.end(command);
      case "abandon-import":
        return this.#imports.abandon(command.key);
      case "byte-stream":
        return { is: "byte-stream", answer: this.#byteStreams.execute(command.request) };
    }
  }

  /** Called when the transaction is durable; what changed in memory only counts from then on. */
  settle(): void {
    for (const end of this.#ended) end();
  }

  #find(id: string): SessionRow | undefined {
    return querySessions(this.#database, "WHERE s.id = ?", [id], Date.now())[0];
  }

  #append(command: AppendCommand): CommandResult {
    const lease = this.#leases.check(command.key, command.epoch);
    if (typeof lease === "string") return { is: "fenced", why: lease };
    const leaseUntil = Date.now() + lease.leaseMs;
    if (this.#segments.append(command, lease, leaseUntil)) {
      this.#live = command;
      return { is: "done" };
    }
    this.#leases.drop(command.key, command.epoch);
    return { is: "fenced", why: "taken_over" };
  }

  #putPart(command: PutPartCommand): CommandResult {
    const lease = this.#leases.check(command.key, command.epoch);
    if (typeof lease === "string") return { is: "fenced", why: lease };
    return this.#segments.putPart(command) ? { is: "done" } : { is: "fenced", why: "taken_over" };
  }

  #create(session: { id: string; kind: string; labels?: object; parentId?: string }, now: number): CommandResult {
    const { changes } = this.#database
      .prepare(
        `INSERT OR IGNORE INTO sessions (id, kind, labels, parent_id, status, last_seq, epoch, created_at, updated_at)
         VALUES (?, ?, ?, ?, 'created', 0, 0, ?, ?)`,
      )
      .run([session.id, session.kind, JSON.stringify(session.labels ?? {}), session.parentId ?? null, now, now]);
    return { is: changes === 1 ? "done" : "exists" };
  }

  #begin({ session, owner, leaseMs, segment, state, at, digests, under }: BeginCommand): CommandResult {
    if (under !== undefined) {
      const lease = this.#leases.check(under.key, under.epoch);
      if (typeof lease === "string") return { is: "fenced", why: lease };
      const isLive = this.#live?.key === under.key && this.#live.epoch === under.epoch;
      if (!isLive && this.#liveEpoch.all([under.key, under.epoch]).length === 0) {
        this.#leases.drop(under.key, under.epoch);
        return { is: "fenced", why: "taken_over" };
      }
    }
    const { lastSeq } = segment;
    const inserted = this.#insertBegun.run([
      session.id,
      session.kind,
      JSON.stringify(session.labels ?? {}),
      session.parentId ?? null,
      lastSeq,
      at,
      at,
      owner,
      this.#identity,
      Date.now() + leaseMs,
      ...toStateColumns(state),
    ]);
    if (inserted.changes !== 1) return { is: "exists" };
    const key = inserted.lastInsertRowid;
    this.#leases.open(key, 1, leaseMs);
    this.#segments.begin(key, segment, this.#leases.check(key, 1) as Lease);
    for (const digest of digests) this.#segments.refer(key, digest);
    return { is: "opened", key, epoch: 1, lastSeq, isRunOpen: false };
  }

  #openWriter(command: OpenWriterCommand): CommandResult {
    const now = Date.now();
    const row = this.#find(command.id);
    if (row === undefined) return { is: "unknown" };
    const owner = judgeOwner(row, now);
    if (owner === "alive" && !command.takeOver) return { is: "busy", owner: row.owner ?? "another writer" };
    const { openRun } = row.session;
    const reason = owner === "alive" ? "taken_over" : owner;
    const { interrupted } = command;
    const isSeen = interrupted !== undefined && isUnchanged(row, interrupted.seen);
    if (openRun !== undefined && !isSeen && !command.fenceFirst) return { is: "changed" };
    const epoch = row.session.epoch + 1;
    this.#database
      .prepare("UPDATE sessions SET epoch = ?, owner = ?, owner_process = ?, lease_until = ? WHERE key = ?")
      .run([epoch, command.owner, this.#identity, now + command.leaseMs, row.key]);
    // Parts of an event that an older writer did not come to append.
    this.#database
      .prepare("DELETE FROM segment_parts WHERE segment > ((?1 << 32) | ?2) AND segment <= ((?1 << 32) | 4294967295)")
      .run([row.key, row.session.lastSeq]);
    if (openRun !== undefined && isSeen) this.#writeFinal(row, interrupted.final, reason, now);
    this.#leases.open(row.key, epoch, command.leaseMs);
    const isClosedHere = openRun !== undefined && isSeen;
    const lastSeq = row.session.lastSeq + (isClosedHere ? 1 : 0);
    const isRunOpen = openRun !== undefined && !isSeen;
    return { is: "opened", key: row.key, epoch, lastSeq, isRunOpen, ...(openRun === undefined ? {} : { reason }) };
  }

  #closeWriter(key: number, epoch: number): CommandResult {
    this.#release.run([key, epoch]);
    this.#ended.push(() => this.#leases.drop(key, epoch));
    return { is: "done" };
  }

  #closeRun({ id, seen, final }: CloseRunCommand): CommandResult {
    const now = Date.now();
    const row = this.#find(id);
    if (row === undefined) return { is: "unknown" };
    if (row.session.openRun === undefined || !isUnchanged(row, seen)) return { is: "changed" };
    // The owner may have renewed its lease since it was looked at.
    const reason = judgeOwner(row, now);
    if (reason === "alive") return { is: "alive" };
    // The epoch is raised: an owner that was only asleep is fenced.
    this.#database
      .prepare(
        "UPDATE sessions SET epoch = epoch + 1, owner = NULL, owner_process = NULL, lease_until = 0 WHERE key = ?",
      )
      .run([row.key]);
    killPoint("in-recovery");
    this.#writeFinal(row, final, reason, now);
    return { is: "closed-run", reason };
  }

  #writeFinal(row: SessionRow, final: FinalBody, reason: InterruptionReason, now: number): void {
    const { id, lastSeq, openRun } = row.session;
    if (openRun === undefined) return;
    const seq = lastSeq + 1;
    const event = { seq, at: now, sessionId: id, runId: openRun.runId, ...final, reason } as StoredEvent;
    this.#segments.insert(row.key, toSegment(event, packEvent(event)));
    this.#database
      .prepare(
        `UPDATE sessions SET last_seq = ?, updated_at = ?, status = ?, open_run_id = ?, open_run_seq = ?, last_run_id = ?, backend = ?, resume_token = ?
         WHERE key = ?`,
      )
      .run([seq, now, ...toStateColumns(foldRunState(toRunState(row.session), event)), row.key]);
  }

  #fork({ parentKey, atSeq, session, state, own, now }: ForkCommand): CommandResult {
    const parent = querySessions(this.#database, "WHERE s.key = ?", [parentKey], now)[0];
    if (parent === undefined) return { is: "unknown" };
    const epoch = own === undefined ? 0 : 1;
    const [child] = this.#database
      .prepare(
        `INSERT INTO sessions (id, kind, labels, forked_from, fork_seq, last_seq, epoch, created_at, updated_at,
           status, open_run_id, open_run_seq, last_run_id, backend, resume_token)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING key`,
      )
      .raw()
      .all([
        session.id,
        session.kind,
        JSON.stringify(session.labels ?? {}),
        parentKey,
        atSeq,
        own?.lastSeq ?? atSeq,
        epoch,
        now,
        now,
        ...toStateColumns(state),
      ]) as [[number]];
    const [key] = child;
    if (own !== undefined) this.#segments.insert(key, own);
    this.#database
      .prepare("INSERT INTO blob_references (digest, session) SELECT digest, ? FROM blob_references WHERE session = ?")
      .run([key, parentKey]);
    return { is: "done" };
  }
}

function isUnchanged(row: SessionRow, seen: { readonly epoch: number; readonly lastSeq: number }): boolean {
  return row.session.epoch === seen.epoch && row.session.lastSeq === seen.lastSeq;
}
