import { killPoint } from "../../internal/kill-point.ts";
import { NOW } from "./postgres-database.ts";
import type { PostgresDatabase } from "./postgres-database.ts";
import { isViolation } from "./postgres-failure.ts";
import { deadEpoch } from "./session-row.ts";
import type { SessionRow } from "./session-row.ts";

/** What one statement of a sweep takes: a few milliseconds beside live traffic. */
const SWEEP_SEGMENTS = 256;
const SWEEP_PARTS = 16;
const SWEEP_BLOBS = 16;

const DELETE = `
WITH target AS (
  SELECT s.key, s.owner, (s.owner IS NOT NULL AND s.epoch <> $2 AND s.lease_until > ${NOW}) AS is_busy,
    ARRAY(SELECT u.id FROM {s}.sessions u WHERE u.forked_from = s.key UNION SELECT u.id FROM {s}.sessions u WHERE u.parent_id = s.id LIMIT 10) AS users
  FROM {s}.sessions s WHERE s.id = $1 FOR UPDATE OF s
), gone AS (
  DELETE FROM {s}.sessions s USING target t WHERE s.key = t.key AND NOT t.is_busy AND cardinality(t.users) = 0 RETURNING s.key
), marked AS (
  INSERT INTO {s}.deleted_sessions (key, not_before) SELECT key, 0 FROM gone
)
SELECT is_busy, owner, users FROM target`;

const SWEEP_LINES = `
WITH gone AS (
  DELETE FROM {s}.segments WHERE session = $1 AND first_seq IN (SELECT first_seq FROM {s}.segments WHERE session = $1 LIMIT ${SWEEP_SEGMENTS})
  RETURNING 1
) SELECT count(*) FROM gone`;

const SWEEP_LARGE = `
WITH gone AS (
  DELETE FROM {s}.segment_parts WHERE session = $1 AND (seq, part) IN (SELECT seq, part FROM {s}.segment_parts WHERE session = $1 LIMIT ${SWEEP_PARTS})
  RETURNING 1
) SELECT count(*) FROM gone`;

const IS_UNUSED = `(b.pins = 0 OR b.pinned_until < ${NOW}) AND NOT EXISTS (SELECT 1 FROM {s}.blob_references r WHERE r.digest = b.digest`;

/** A blob goes with the last session that refers to it, except where somebody has put it again and is about to refer to it. */
const SWEEP_REFERENCES = `
WITH few AS (
  SELECT digest FROM {s}.blob_references WHERE session = $1 LIMIT ${SWEEP_BLOBS}
), blobs AS (
  DELETE FROM {s}.blobs b USING few WHERE b.digest = few.digest AND ${IS_UNUSED} AND r.session <> $1)
), gone AS (
  DELETE FROM {s}.blob_references r USING few WHERE r.digest = few.digest AND r.session = $1 RETURNING 1
) SELECT count(*) FROM gone`;

/** Blobs that nobody came to refer to, or whose last two sessions went at the same moment. */
const SWEEP_UNUSED = `
WITH gone AS (
  DELETE FROM {s}.blobs WHERE digest IN (SELECT b.digest FROM {s}.blobs b WHERE ${IS_UNUSED}) LIMIT ${SWEEP_BLOBS}) RETURNING 1
) SELECT count(*) FROM gone`;

export type DeleteResult =
  | { readonly is: "done" | "unknown" }
  | { readonly is: "busy"; readonly owner: string }
  | { readonly is: "in-use"; readonly users: readonly string[] };

/** Takes a session out of the list. Its events are swept afterwards, in small steps that a crash may cut off and any later sweep goes on with. */
export async function deleteSession(database: PostgresDatabase, row: SessionRow): Promise<DeleteResult> {
  let isRetry = false;
  const onUnknownOutcome = (): void => {
    isRetry = true;
  };
  const parameters = [row.session.id, deadEpoch(row)];
  try {
    const [answer] = await database.query("control", DELETE, parameters, { onUnknownOutcome });
    if (answer === undefined) return { is: isRetry ? "done" : "unknown" };
    const [isBusy, owner, users] = answer as [boolean, string, string[]];
    if (isBusy) return { is: "busy", owner: JSON.parse(owner) as string };
    return users.length > 0 ? { is: "in-use", users } : { is: "done" };
  } catch (error) {
    // A fork was made at the same moment.
    if (isViolation(error, "23503")) return { is: "in-use", users: ["a fork of it"] };
    throw error;
  }
}

/** Clears away what deleted sessions left, one small statement after the other. */
export async function sweepDeleted(database: PostgresDatabase): Promise<void> {
  const count = async (sql: string, parameters: readonly unknown[] = []): Promise<number> => {
    const [row] = await database.query("control", sql, parameters);
    return (row?.[0] as number | undefined) ?? 0;
  };
  for (;;) {
    const sql = `SELECT key FROM {s}.deleted_sessions WHERE not_before <= ${NOW} ORDER BY key LIMIT 1`;
    const [marked] = await database.query("control", sql);
    if (marked === undefined) return;
    const [key] = marked;
    while ((await count(SWEEP_LINES, [key])) > 0) killPoint("in-prune");
    while ((await count(SWEEP_LARGE, [key])) > 0);
    while ((await count(SWEEP_REFERENCES, [key])) > 0);
    await database.query("control", "DELETE FROM {s}.deleted_sessions WHERE key = $1", [key]);
  }
}

export async function sweepUnusedBlobs(database: PostgresDatabase): Promise<void> {
  for (;;) {
    const [row] = await database.query("control", SWEEP_UNUSED);
    if (((row?.[0] as number | undefined) ?? 0) < SWEEP_BLOBS) return;
  }
}

/** Who was forked from each of some sessions, or names it as parent. */
export async function findUsers(
  database: PostgresDatabase,
  ids: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const users = new Map<string, string[]>();
  if (ids.length === 0) return users;
  const rows = await database.query(
    "read",
    `SELECT s.id, u.id FROM {s}.sessions s JOIN {s}.sessions u ON u.forked_from = s.key WHERE s.id = ANY($1::text[])
     UNION SELECT u.parent_id, u.id FROM {s}.sessions u WHERE u.parent_id = ANY($1::text[])`,
    [ids],
  );
  for (const [id, user] of rows as [string, string][]) users.set(id, [...(users.get(id) ?? []), user]);
  return users;
}
