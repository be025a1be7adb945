import type { RunState } from "../run-state.ts";
import { SEPARATOR } from "./packed-events.ts";
import type { Lease } from "./open-leases.ts";
import type { Database, Statement } from "./sqlite-binding.ts";
import type { AppendCommand, PutPartCommand, SegmentText } from "./sqlite-command.ts";

/** A segment that is shorter takes what follows into its own row: as many bytes as one page of the file holds without overflowing. */
export const MERGE_BELOW_BYTES = 4_000;

/** Writes events: the one way in which a log grows. All of it happens inside the caller's transaction. */
export class SegmentWriter {
  readonly #insert: Statement;
  readonly #extend: Statement;
  readonly #advance: Statement;
  readonly #advanceWithState: Statement;
  readonly #part: Statement;
  readonly #refer: Statement;
  readonly #unpin: Statement;

  constructor(database: Database) {
    this.#insert = database.prepare(
      "INSERT INTO segments (id, last_seq, parts, bytes, lines, run, at) VALUES ((? << 32) | ?, ?, ?, ?, ?, ?, ?)",
    );
    this.#extend = database.prepare(
      "UPDATE segments SET last_seq = ?, bytes = ?, lines = lines || ? WHERE id = ((? << 32) | ?)",
    );
    const fence = "WHERE key = ? AND epoch = ? AND last_seq = ?";
    this.#advance = database.prepare(`UPDATE sessions SET last_seq = ?, updated_at = ?, lease_until = ? ${fence}`);
    this.#advanceWithState = database.prepare(
      `UPDATE sessions SET last_seq = ?, updated_at = ?, lease_until = ?, status = ?, open_run_id = ?, open_run_seq = ?, last_run_id = ?,
       backend = ?, resume_token = ? ${fence}`,
    );
    this.#part = database.prepare(
      "INSERT INTO segment_parts (segment, part, text) SELECT (key << 32) | ?, ?, ? FROM sessions WHERE key = ? AND epoch = ? AND last_seq < ?",
    );
    this.#refer = database.prepare("INSERT OR IGNORE INTO blob_references (digest, session) VALUES (?, ?)");
    this.#unpin = database.prepare("UPDATE blobs SET pins = max(0, pins - 1) WHERE digest = ?");
  }

  /** False where the epoch is no longer the session's; nothing was written then. */
  append(command: AppendCommand, lease: Lease, leaseUntil: number): boolean {
    const { key, epoch, at, lastSeq, state } = command;
    const place = [key, epoch, command.firstSeq - 1];
    const advanced =
      state === undefined
        ? this.#advance.run([lastSeq, at, leaseUntil, ...place])
        : this.#advanceWithState.run([lastSeq, at, leaseUntil, ...toStateColumns(state), ...place]);
    if (advanced.changes !== 1) return false;
    for (const segment of command.segments) this.#write(key, segment, lease);
    for (const digest of command.digests) this.refer(key, digest);
    return true;
  }

  /** Writes the first segment of a session; what follows may go into its row. */
  begin(key: number, segment: SegmentText, lease: Lease): void {
    this.#write(key, segment, lease);
  }

  /** Writes a segment of its own. */
  insert(key: number, segment: SegmentText, bytes = segment.large?.bytes ?? Buffer.byteLength(segment.text)): void {
    const { firstSeq, lastSeq, run, at, text, large } = segment;
    this.#insert.run([key, firstSeq, lastSeq, large?.parts ?? 0, bytes, text, run, at]);
  }

  /** False where the epoch is no longer the session's; nothing was written then. */
  putPart({ key, epoch, seq, part, text }: PutPartCommand): boolean {
    return this.#part.run([seq, part, text, key, epoch, seq]).changes === 1;
  }

  refer(key: number, digest: string): void {
    this.#refer.run([digest, key]);
    this.#unpin.run([digest]);
  }

  #write(key: number, segment: SegmentText, lease: Lease): void {
    const bytes = segment.large?.bytes ?? Buffer.byteLength(segment.text);
    const { tail } = lease;
    const { firstSeq, lastSeq, at, endsAt } = segment;
    if (tail !== undefined && tail.bytes + bytes < MERGE_BELOW_BYTES) {
      const later = at === tail.endsAt ? SEPARATOR : `${SEPARATOR}${at - tail.endsAt}${SEPARATOR}`;
      const sum = tail.bytes + later.length + bytes;
      this.#extend.run([lastSeq, sum, later + segment.text, key, tail.firstSeq]);
      lease.tail = { firstSeq: tail.firstSeq, bytes: sum, endsAt };
    } else {
      this.insert(key, segment, bytes);
      lease.tail = bytes < MERGE_BELOW_BYTES ? { firstSeq, bytes, endsAt } : undefined;
    }
  }
}

export function toStateColumns(state: RunState): unknown[] {
  const { status, openRun, lastRunId, backend, resumeToken } = state;
  return [
    status,
    openRun?.runId ?? null,
    openRun?.startedSeq ?? null,
    lastRunId ?? null,
    toJsonText(backend),
    toJsonText(resumeToken),
  ];
}

/** What a backend chooses may hold characters that the binding does not give back, such as NUL; as JSON it always comes back. */
function toJsonText(text: string | undefined): string | null {
  return text === undefined ? null : JSON.stringify(text);
}
