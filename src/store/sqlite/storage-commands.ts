import { killPoint } from "../../internal/kill-point.ts";
import { readLiveClaims } from "./import-commands.ts";
import { judgeOwner } from "./session-row.ts";
import type { SessionRow } from "./session-row.ts";
import type { Database } from "./sqlite-binding.ts";
import type { CommandResult } from "./sqlite-command.ts";

/** How long a blob waits for the event that will refer to it. */
const PIN_MS = 10 * 60_000;

/** Segments, and pages given back to the file system, in one transaction: a few milliseconds beside live traffic. */
const SWEEP_SEGMENTS = 256;
const SWEEP_PARTS = 8;
const SWEEP_PAGES = 512;

/** Takes a session out of the list. Its events are swept afterwards, in small steps that a crash may cut off and the next opening goes on with. */
export function executeDelete(database: Database, row: SessionRow | undefined, now: number): CommandResult {
  if (row === undefined) return { is: "unknown" };
  if (row.owner !== null && judgeOwner(row, now) === "alive") return { is: "busy", owner: row.owner };
  const users = database
    .prepare("SELECT id FROM sessions WHERE forked_from = ? UNION SELECT id FROM sessions WHERE parent_id = ? LIMIT 10")
    .raw()
    .all([row.key, row.session.id]) as [string][];
  if (users.length > 0) return { is: "in-use", users: users.map(([id]) => id) };
  database.prepare("DELETE FROM sessions WHERE key = ?").run([row.key]);
  database.prepare("INSERT INTO deleted_sessions (key) VALUES (?)").run([row.key]);
  return { is: "done" };
}

/** One step of clearing away; `isComplete` when there is nothing left to do. Logs that are coming in, whoever brings them, stay. */
export function executeSweep(database: Database, now: number): CommandResult {
  const spared = readLiveClaims(database, now);
  const marked = database
    .prepare("SELECT key FROM deleted_sessions LIMIT ?")
    .raw()
    .all([spared.size + 1]) as [number][];
  const first = marked.find(([key]) => !spared.has(key));
  if (first !== undefined) {
    const [key] = first;
    const { changes } = database
      .prepare(
        "DELETE FROM segments WHERE id IN (SELECT id FROM segments WHERE id BETWEEN (? << 32) AND ((? << 32) | 4294967295) LIMIT ?)",
      )
      .run([key, key, SWEEP_SEGMENTS]);
    const parts = database
      .prepare(
        "DELETE FROM segment_parts WHERE rowid IN (SELECT rowid FROM segment_parts WHERE segment BETWEEN (? << 32) AND ((? << 32) | 4294967295) LIMIT ?)",
      )
      .run([key, key, SWEEP_PARTS]).changes;
    killPoint("in-prune");
    if (changes < SWEEP_SEGMENTS && parts < SWEEP_PARTS) {
      sweepReferences(database, key, now);
      database.prepare("DELETE FROM deleted_sessions WHERE key = ?").run([key]);
      database.prepare("DELETE FROM import_claims WHERE key = ?").run([key]);
    }
    return { is: "swept", isComplete: false };
  }
  const { changes } = database
    .prepare(
      `DELETE FROM blobs WHERE digest IN (
         SELECT digest FROM blobs b WHERE pins > 0 AND pinned_until < ?
         AND NOT EXISTS (SELECT 1 FROM blob_references r WHERE r.digest = b.digest) LIMIT 16)`,
    )
    .run([now]);
  const before = freePages(database);
  if (before > 0) database.prepare(`PRAGMA incremental_vacuum(${SWEEP_PAGES})`).all([]);
  return { is: "swept", isComplete: changes === 0 && freePages(database) === 0 };
}

/** A blob goes with the last session that refers to it, except where somebody has put it again and is about to refer to it. */
function sweepReferences(database: Database, key: number, now: number): void {
  const digests = database.prepare("SELECT digest FROM blob_references WHERE session = ?").raw().all([key]) as [
    string,
  ][];
  database.prepare("DELETE FROM blob_references WHERE session = ?").run([key]);
  const remove = database.prepare(
    `DELETE FROM blobs WHERE digest = ? AND (pins = 0 OR pinned_until < ?)
     AND NOT EXISTS (SELECT 1 FROM blob_references r WHERE r.digest = blobs.digest)`,
  );
  for (const [digest] of digests) remove.run([digest, now]);
}

function freePages(database: Database): number {
  const [row] = database.prepare("PRAGMA freelist_count").raw().all([]) as [number][];
  return row?.[0] ?? 0;
}

export function executePutBlob(database: Database, digest: string, bytes: Uint8Array, now: number): CommandResult {
  const { changes } = database
    .prepare("UPDATE blobs SET pins = pins + 1, pinned_until = ? WHERE digest = ?")
    .run([now + PIN_MS, digest]);
  if (changes === 0) {
    database
      .prepare("INSERT INTO blobs (digest, pins, pinned_until, bytes) VALUES (?, 1, ?, ?)")
      .run([digest, now + PIN_MS, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)]);
  }
  return { is: "done" };
}
