import type { SegmentWriter } from "./segment-writer.ts";
import { toStateColumns } from "./segment-writer.ts";
import type { Database } from "./sqlite-binding.ts";
import { readNumber } from "./sqlite-binding.ts";
import type { CommandResult, EndImportCommand, ImportPartCommand, SegmentText } from "./sqlite-command.ts";

/** The steps in which a session comes in that another store held. */
export class ImportCommands {
  readonly #database: Database;
  readonly #segments: SegmentWriter;
  /** Keys of logs that come in now: this process's sweeps leave them alone. */
  readonly keys = new Set<number>();

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
    this.keys.add(key);
    return { is: "importing", key };
  }

  addSegments(key: number, segments: readonly SegmentText[]): CommandResult {
    for (const segment of segments) this.#segments.insert(key, segment);
    return { is: "done" };
  }

  addPart({ key, seq, part, text }: ImportPartCommand): CommandResult {
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
    this.keys.delete(key);
    return { is: "done" };
  }

  abandon(key: number): CommandResult {
    this.keys.delete(key);
    return { is: "done" };
  }
}
