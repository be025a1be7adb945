import { statSync } from "node:fs";
import { StoreError, ValidationError } from "../../errors.ts";
import { STORED_FORMAT } from "../../event/upcast.ts";
import { inTransaction, openImmutable, readNumber, toStoreError } from "./sqlite-binding.ts";
import type { Database } from "./sqlite-binding.ts";

/** "Skei": a database file with this application id is ours. */
export const APPLICATION_ID = 0x536b6569;

/** So many changes of the tables left the events as they were. */
const CHANGES_OF_TABLES = 1;

/** One number for the tables and the events in them: a change of either is a migration. */
export const FORMAT_VERSION = STORED_FORMAT + CHANGES_OF_TABLES;

/** The format of the events in a file of a format. */
export function toEventFormat(version: number): number {
  return version - CHANGES_OF_TABLES;
}

/**
 * A segment is what one session stored in one commit: a row of events under `session key * 2^32 + first seq`,
 * so that the rows of a session lie together, in order, without an index beside them. `lines` holds them as `packed-events.ts` says, `run` and `at`
 * are those of the first one; in a row of format 1, which has no `run`, each line is the JSON of an event.
 * The text stands behind positions and sizes: a reader that only asks for these does not touch its pages.
 *
 * A large event stands in `segment_parts`, written before its segment in several transactions; `parts` counts them, and `lines` is empty.
 *
 * Keys of sessions are never used twice, so what a deleted session leaves behind can be swept in small steps.
 */
const SCHEMA = `
CREATE TABLE sessions (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  labels TEXT NOT NULL,
  parent_id TEXT,
  forked_from INTEGER REFERENCES sessions(key),
  fork_seq INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL,
  open_run_id TEXT,
  open_run_seq INTEGER,
  last_run_id TEXT,
  backend TEXT,
  resume_token TEXT,
  last_seq INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  owner TEXT,
  owner_process TEXT,
  lease_until INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_age ON sessions(created_at, id);
CREATE INDEX sessions_by_parent ON sessions(parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX sessions_by_origin ON sessions(forked_from) WHERE forked_from IS NOT NULL;
CREATE INDEX sessions_with_open_run ON sessions(key) WHERE open_run_id IS NOT NULL;
CREATE TABLE segments (
  id INTEGER PRIMARY KEY,
  last_seq INTEGER NOT NULL,
  parts INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  lines TEXT NOT NULL,
  run TEXT,
  at INTEGER
) STRICT;
CREATE TABLE segment_parts (
  segment INTEGER NOT NULL,
  part INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (segment, part)
) STRICT;
CREATE TABLE deleted_sessions (key INTEGER PRIMARY KEY) STRICT;
CREATE TABLE blobs (
  digest TEXT PRIMARY KEY,
  pins INTEGER NOT NULL,
  pinned_until INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;
CREATE TABLE blob_references (
  digest TEXT NOT NULL,
  session INTEGER NOT NULL,
  PRIMARY KEY (digest, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_references_by_session ON blob_references(session);
`;

/**
 * Logs that come in from other stores, and the process that brings each: their keys are marked as deleted until they are sessions, and a sweep
 * of another process must know which of them are alive. Nothing that is stored depends on it, so it is no part of a format: a file that
 * lacks it gets it when it is opened for writing.
 */
const CLAIMS = `
CREATE TABLE IF NOT EXISTS import_claims (
  key INTEGER PRIMARY KEY,
  owner_process TEXT,
  claimed_until INTEGER NOT NULL
) STRICT;
`;

/** Makes what is not part of a format where it is not there yet. */
export function addClaims(database: Database): void {
  database.exec(CLAIMS);
}

/** What lies at a path. */
export type FileKind = "missing" | "empty" | "ours";

/**
 * Looks at a file before it is opened as a store: nothing that is not ours is ever touched, and no file is made beside it.
 *
 * The look goes through SQLite, for a file that this process has open as a database must never be opened in any other way:
 * closing any descriptor of a file drops all locks that the process holds on it (POSIX), and another process would then take itself
 * for the last one and delete the -wal from under us.
 *
 * @throws StoreError `store_foreign`, `store_newer`, `store_failed`; ValidationError `path_not_found`
 */
export async function inspectFile(path: string): Promise<FileKind> {
  let stats;
  try {
    stats = statSync(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return "missing";
    if (code === "ENOTDIR")
      throw new ValidationError("path_not_found", `The path ${path} leads through something that is not a folder.`, {
        cause,
      });
    throw new StoreError("store_failed", `The store ${path} could not be looked at: ${message}.`, { cause });
  }
  if (!stats.isFile())
    throw new StoreError("store_foreign", `${path} is not a file; name the database file of a store.`);
  if (stats.size === 0) return "empty";
  const database = await openImmutable(path);
  try {
    checkFormat(path, readNumber(database, "PRAGMA application_id"), readNumber(database, "PRAGMA user_version"));
  } catch (error) {
    if ((error as { rawCode?: number }).rawCode !== 26) throw toStoreError(error, path);
    throw new StoreError(
      "store_foreign",
      `${path} is not a database; it was left as it is. Move it away, or name another file.`,
      {
        cause: error,
      },
    );
  } finally {
    database.close();
  }
  return "ours";
}

/** @throws StoreError `store_foreign`, `store_newer` */
export function checkFormat(path: string, applicationId: number, version: number): void {
  if (applicationId !== APPLICATION_ID) {
    throw new StoreError(
      "store_foreign",
      `${path} is a database of another program; it was left as it is. Move it away, or name another file.`,
    );
  }
  if (version > FORMAT_VERSION) {
    throw new StoreError(
      "store_newer",
      `${path} has format ${version}, this version of Skein knows formats up to ${FORMAT_VERSION}; it was left as it is. Update Skein to open it.`,
    );
  }
}

/** Makes the tables, unless another process was first. */
export function createFormat(database: Database): void {
  inTransaction(database, () => {
    if (readNumber(database, "PRAGMA application_id") === APPLICATION_ID) return;
    database.exec(SCHEMA);
    database.exec(`PRAGMA user_version = ${FORMAT_VERSION}`);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  });
}

/** A file up to this size is looked through when it is opened; a larger one tells of damage when the damaged part is read. */
const CHECK_UP_TO_BYTES = 16 * 1024 * 1024;

/** @throws StoreError `store_corrupt` */
export function refuseDamaged(database: Database, path: string): void {
  if (statSync(path).size > CHECK_UP_TO_BYTES) return;
  const [row] = database.prepare("PRAGMA quick_check(1)").raw().all([]) as [string][];
  if (row?.[0] === "ok") return;
  const found = (row?.[0] ?? "no answer").replaceAll(/\s+/g, " ");
  throw new StoreError(
    "store_corrupt",
    `The store ${path} is damaged; keep a copy of the file and its -wal, and restore it from a backup (SQLite: ${found}).`,
  );
}
