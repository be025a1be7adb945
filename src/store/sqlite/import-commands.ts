import { isProvablyDead } from "../../internal/process-identity.ts";
import { encodeOwner, parseOwner } from "../owner-identity.ts";
import type { SegmentWriter } from "./segment-writer.ts";
import { toStateColumns } from "./segment-writer.ts";
import type { Database } from "./sqlite-binding.ts";
import { readNumber } from "./sqlite-binding.ts";
import type { CommandResult, EndImportCommand, ImportPartCommand, SegmentText } from "./sqlite-command.ts";

/**
 * How long a log that comes in is left alone after its last step, where nobody can tell whether its process lives.
 * One that is known to be dead has no claim.
 */
const CLAIM_MS = 10 * 60_000;

/** The keys among them that another process, or this one, is still filling. */
export function readLiveClaims(database: Database, now: number): ReadonlySet<number> {
  const claims = database
    .prepare("SELECT key, owner_process FROM import_claims WHERE claimed_until >= ?")
    .raw()
    .all([now]) as [number, string | null][];
  const isLive = (owner: string | null): boolean => {
    const identity = parseOwner(owner);
    return identity === undefined || !isProvablyDead(identity);
  };
  return new Set(claims.filter(([, owner]) => isLive(owner)).map(([key]) => key));
}

/** The steps in which a session comes in that another store held. */
export class ImportCommands {
  readonly #database: Database;
  readonly #segments: SegmentWriter;

  constructor(database: Database, segments: SegmentWriter) {
    this.#database = database;
    this.#segments = segments;
  }

  /** Takes a key that no session had or will have, and marks it as deleted: from here on a crash leaves nothing that is not swept. */
  begin(): CommandResult {
    const insert =
      "INSERT INTO sessions (id, kind, labels, status, last_seq, epoch, created_at, updated_at) VALUES (hex(randomblob(16)), '', '', '', 0, 0, 0, 0) RETURNING key";
    const [[key]] = this.#database.prepare(insert).raw().all([]) as [[number]];
    this.#database.prepare("DELETE FROM sessions WHERE key = ?").run([key]);
    this.#database.prepare("INSERT INTO deleted_sessions (key) VALUES (?)").run([key]);
    this.#database
      .prepare("INSERT INTO import_claims (key, owner_process, claimed_until) VALUES (?, ?, ?)")
      .run([key, encodeOwner(), Date.now() + CLAIM_MS]);
    return { is: "importing", key };
  }

  addSegments(key: number, segments: readonly SegmentText[]): CommandResult {
    this.#renew(key);
    for (const segment of segments) this.#segments.insert(key, segment);
    return { is: "done" };
  }

  /** From here on the blob is the log's, and goes with it should it never become a session. */
  addBlob(key: number, digest: string): void {
    this.#renew(key);
    this.#database.prepare("INSERT OR IGNORE INTO blob_references (digest, session) VALUES (?, ?)").run([digest, key]);
  }

  addPart({ key, seq, part, text }: ImportPartCommand): CommandResult {
    this.#renew(key);
    this.#database
      .prepare("INSERT INTO segment_parts (segment, part, text) VALUES ((? << 32) | ?, ?, ?)")
      .run([key, seq, part, text]);
    return { is: "done" };
  }

  /** Makes a session of the log, unless its id is taken by now or another process has swept some of it. */
  end({ key, session, state, lastSeq, updatedAt, segments, digests }: EndImportCommand): CommandResult {
    const count = `SELECT count(*) FROM segments WHERE id BETWEEN (${key} << 32) AND ((${key} << 32) | 4294967295)`;
    if (readNumber(this.#database, count) !== segments) return { is: "changed" };
    if (this.#database.prepare("SELECT 1 FROM sessions WHERE id = ?").raw().all([session.id]).length > 0)
      return { is: "exists" };
    const { forkedFrom } = session;
    const [[originKey] = [null]] = (
      forkedFrom === undefined
        ? []
        : this.#database
            .prepare("SELECT key FROM sessions WHERE id = ? AND last_seq >= ?")
            .raw()
            .all([forkedFrom.sessionId, forkedFrom.atSeq])
    ) as [number | null][];
    if (forkedFrom !== undefined && originKey === null) return { is: "unknown" };
    if (this.#database.prepare("DELETE FROM deleted_sessions WHERE key = ?").run([key]).changes !== 1)
      return { is: "changed" };
    this.#database
      .prepare(
        `INSERT INTO sessions (key, id, kind, labels, parent_id, forked_from, fork_seq, last_seq, epoch, created_at, updated_at,
           status, open_run_id, open_run_seq, last_run_id, backend, resume_token)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run([
        key,
        session.id,
        session.kind,
        JSON.stringify(session.labels ?? {}),
        session.parentId ?? null,
        originKey,
        forkedFrom?.atSeq ?? 0,
        lastSeq,
        session.createdAt,
        updatedAt,
        ...toStateColumns(state),
      ]);
    for (const digest of digests) this.#segments.refer(key, digest);
    return this.abandon(key);
  }

  /** Gives the claim up: what is no session by now goes with the next sweep. */
  abandon(key: number): CommandResult {
    this.#database.prepare("DELETE FROM import_claims WHERE key = ?").run([key]);
    return { is: "done" };
  }

  #renew(key: number): void {
    this.#database
      .prepare("UPDATE import_claims SET claimed_until = ? WHERE key = ?")
      .run([Date.now() + CLAIM_MS, key]);
  }
}
