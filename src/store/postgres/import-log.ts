import { StoreError } from "../../errors.ts";
import { ImportedLog } from "../imported-log.ts";
import { LARGE_LINE_CHARACTERS, cutLine } from "../large-line.ts";
import type { ImportedRecord, ImportedSession } from "../session-store.ts";
import { sessionExists } from "../store-faults.ts";
import { SEGMENT_CHARACTERS } from "./append-statement.ts";
import { putBlob } from "./blob-statements.ts";
import { NOW, SPLIT_TEXTS, TEXT_SEPARATOR, toArray } from "./postgres-database.ts";
import type { PostgresDatabase } from "./postgres-database.ts";
import { isViolation } from "./postgres-failure.ts";
import { markParts, packLines } from "./segment-text.ts";

/** So many characters go into one statement: live writers of the process wait a few milliseconds for it. */
const STEP_CHARACTERS = 512 * 1024;

/** A log that comes in is swept by others when nothing was added to it for so long. */
const STAGED_MS = 5 * 60_000;

const BEGIN = `
INSERT INTO {s}.deleted_sessions (key, not_before)
SELECT nextval(pg_get_serial_sequence('{s}.sessions', 'key')), ${NOW} + ${STAGED_MS} RETURNING key`;

const ADD = `
WITH staged AS (
  UPDATE {s}.deleted_sessions SET not_before = ${NOW} + ${STAGED_MS} WHERE key = $1 RETURNING key
)
INSERT INTO {s}.segments (session, first_seq, last_seq, epoch, bytes, lines)
SELECT s.key, p.first_seq, p.last_seq, 0, octet_length(p.lines), p.lines FROM staged s,
  unnest($2::bigint[], $3::bigint[], string_to_array($4, ${SPLIT_TEXTS})) AS p (first_seq, last_seq, lines)
ON CONFLICT (session, first_seq) DO NOTHING`;

const ADD_PART = `
WITH staged AS (
  UPDATE {s}.deleted_sessions SET not_before = ${NOW} + ${STAGED_MS} WHERE key = $1 RETURNING key
)
INSERT INTO {s}.segment_parts (session, seq, part, text) SELECT key, $2, $3, $4 FROM staged ON CONFLICT DO NOTHING`;

/** Makes a session of the log, unless its id is taken by now or somebody has swept some of it. */
const END = `
WITH origin AS (
  SELECT key FROM {s}.sessions WHERE id = $14::text AND last_seq >= $15::bigint
), staged AS (
  DELETE FROM {s}.deleted_sessions WHERE key = $1 AND ($14::text IS NULL OR EXISTS (SELECT 1 FROM origin)) AND (SELECT count(*) FROM {s}.segments WHERE session = $1) = $2::bigint
  AND NOT EXISTS (SELECT 1 FROM {s}.sessions WHERE id = $3) RETURNING key
), made AS (
  INSERT INTO {s}.sessions (key, id, kind, labels, parent_id, forked_from, fork_seq, status, is_running, state, last_seq, epoch, created_at, updated_at)
  SELECT key, $3, $4, $5, $6, (SELECT key FROM origin), $15::bigint, $7, $8::boolean, $9, $10::bigint, 0, $11::bigint, $12::bigint
  FROM staged RETURNING key
), noted AS (
  INSERT INTO {s}.blob_references (digest, session) SELECT d, m.key FROM made m, unnest($13::text[]) AS d ON CONFLICT DO NOTHING
), unpinned AS (
  UPDATE {s}.blobs SET pins = greatest(0, pins - 1) FROM made WHERE digest = ANY($13::text[])
)
SELECT key FROM made UNION SELECT key FROM {s}.sessions WHERE id = $3`;

/**
 * Brings a session in step by step, beside live writers. Its log stands under a key that is marked as deleted
 * until the last step makes a session of it: what a crash leaves halfway is swept like any deleted session.
 */
export async function importLog(
  database: PostgresDatabase,
  about: ImportedSession,
  records: AsyncIterable<ImportedRecord>,
): Promise<void> {
  const [begun] = await database.query("control", BEGIN);
  const key = begun?.[0] as number;
  const staging = new StagedLog(database, key);
  const log = new ImportedLog(about);
  const shared = about.forkedFrom?.atSeq ?? 0;
  try {
    for await (const record of records) {
      if ("blob" in record) {
        await putBlob(database, record.digest, record.blob);
      } else {
        log.add(record.event, record.line);
        if (record.event.seq > shared) await staging.add(record.event.seq, record.line);
      }
    }
    await staging.flush();
    const [made] = await database.query("control", END, [
      key,
      staging.segments,
      about.id,
      about.kind,
      JSON.stringify(about.labels ?? {}),
      about.parentId ?? null,
      log.state.status,
      log.state.openRun !== undefined,
      JSON.stringify(log.state),
      log.lastSeq,
      about.createdAt,
      log.updatedAt,
      toArray([...log.digests]),
      about.forkedFrom?.sessionId ?? null,
      shared,
    ]);
    if (made === undefined) throw disturbed(about.id);
    if (made[0] !== key) throw sessionExists(about.id);
  } catch (error) {
    // Where this cannot be, the sweep finds it when its time is over.
    await database
      .query("control", "UPDATE {s}.deleted_sessions SET not_before = 0 WHERE key = $1", [key])
      .catch(() => {});
    throw isViolation(error, "23505") ? sessionExists(about.id) : error;
  }
}

function disturbed(id: string): StoreError {
  return new StoreError(
    "store_failed",
    `Another process cleared away what was stored of ${JSON.stringify(id)} so far; nothing was stored. Import it again.`,
    { retryable: true },
  );
}

/** Lines on their way under a key, cut into segments. */
class StagedLog {
  readonly #database: PostgresDatabase;
  readonly #key: number;
  #lines: string[] = [];
  #firstSeq = 1;
  #lastSeq = 0;
  #characters = 0;
  #ready: { readonly firstSeq: number; readonly lastSeq: number; readonly text: string }[] = [];
  #readyCharacters = 0;
  /** How many there are, in order to know at the end whether all of them are still there. */
  segments = 0;

  constructor(database: PostgresDatabase, key: number) {
    this.#database = database;
    this.#key = key;
  }

  async add(seq: number, line: string): Promise<void> {
    if (line.length > LARGE_LINE_CHARACTERS) {
      this.#closeSegment();
      await this.#addLarge(seq, line);
      return;
    }
    if (line.length > SEGMENT_CHARACTERS) this.#closeSegment();
    if (this.#lines.length === 0) this.#firstSeq = seq;
    this.#lines.push(line);
    this.#lastSeq = seq;
    this.#characters += line.length + 1;
    if (this.#characters >= SEGMENT_CHARACTERS) this.#closeSegment();
    if (this.#readyCharacters >= STEP_CHARACTERS) await this.#send();
  }

  async flush(): Promise<void> {
    this.#closeSegment();
    await this.#send();
  }

  async #addLarge(seq: number, line: string): Promise<void> {
    let parts = 0;
    for (const text of cutLine(line)) {
      await this.#database.query("control", ADD_PART, [this.#key, seq, parts, text]);
      parts += 1;
    }
    this.#push(seq, seq, markParts(parts));
  }

  #push(firstSeq: number, lastSeq: number, text: string): void {
    this.#ready.push({ firstSeq, lastSeq, text });
    this.segments += 1;
  }

  #closeSegment(): void {
    if (this.#lines.length === 0) return;
    this.#push(this.#firstSeq, this.#lastSeq, packLines(this.#lines));
    this.#readyCharacters += this.#characters;
    this.#lines = [];
    this.#characters = 0;
  }

  async #send(): Promise<void> {
    if (this.#ready.length === 0) return;
    const ready = this.#ready;
    this.#ready = [];
    this.#readyCharacters = 0;
    await this.#database.query("control", ADD, [
      this.#key,
      toArray(ready.map(({ firstSeq }) => firstSeq)),
      toArray(ready.map(({ lastSeq }) => lastSeq)),
      ready.map(({ text }) => text).join(TEXT_SEPARATOR),
    ]);
  }
}
