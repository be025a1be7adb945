import { pathToFileURL } from "node:url";
import { StoreError } from "../../errors.ts";
import type { ErrorCode } from "../../errors.ts";

/**
 * The one door to the native binding, and the part of its interface that this folder uses.
 *
 * Three habits of the binding that its types do not tell: parameters always go in one array (a lone Buffer would be taken for named
 * parameters); numbers are bound as REAL, which an INTEGER column and the bit operators turn back; rows are always read to the end
 * with `all`, since a statement that was left halfway keeps its read transaction, and a checkpoint then cannot pass it.
 */
export interface Statement {
  run(parameters: readonly unknown[]): { readonly changes: number; readonly lastInsertRowid: number };
  all(parameters: readonly unknown[]): unknown[];
  raw(): Statement;
}

export interface Database {
  prepare(sql: string): Statement;
  exec(sql: string): unknown;
  close(): unknown;
  readonly inTransaction: boolean;
}

/** How long the writer's thread waits for another process's transaction, which may belong to a process that was stopped. */
export const WRITE_TIMEOUT_MS = 30_000;

/** How long a read waits: only for the moment in which another process brings a -wal in order. It holds the event loop up. */
const READ_TIMEOUT_MS = 5_000;

type DatabaseConstructor = new (path: string, options: { readonly timeout: number }) => Database;

/** @throws StoreError `store_unavailable` where the native module cannot be loaded */
export async function loadBinding(): Promise<DatabaseConstructor> {
  try {
    const module = (await import("libsql")) as unknown as { default: DatabaseConstructor };
    return module.default;
  } catch (cause) {
    throw new StoreError(
      "store_unavailable",
      `SQLite's native module could not be loaded on ${process.platform}-${process.arch}; install the package again with its optional dependencies, or use the memory store.`,
      { cause },
    );
  }
}

/** A connection that sees everything and changes nothing, in a process that may also write. */
export async function openReader(path: string): Promise<Database> {
  const Binding = await loadBinding();
  const database = new Binding(path, { timeout: READ_TIMEOUT_MS });
  database.exec("PRAGMA query_only = ON");
  return database;
}

/** A connection for a process that never writes; also over a medium that cannot be written. */
export async function openReadOnly(path: string, hasWal: boolean): Promise<Database> {
  const Binding = await loadBinding();
  const url = pathToFileURL(path).href;
  const database = new Binding(`${url}?mode=ro`, { timeout: READ_TIMEOUT_MS });
  try {
    readNumber(database, "PRAGMA user_version");
    return database;
  } catch (error) {
    // A database in WAL mode needs files beside it even to be read. Where they cannot be made, nobody can be writing either.
    if (hasWal || (error as { rawCode?: number }).rawCode !== 14) throw error;
    database.close();
    return openImmutable(path);
  }
}

/** A connection that takes the file as it lies there: no locks, no -wal, no file beside it. */
export async function openImmutable(path: string): Promise<Database> {
  const Binding = await loadBinding();
  return new Binding(`${pathToFileURL(path).href}?immutable=1`, { timeout: READ_TIMEOUT_MS });
}

/** The one number that a query answers with. */
export function readNumber(database: Database, sql: string): number {
  const row = database.prepare(sql).raw().all([])[0] as [number] | undefined;
  return Number(row?.[0] ?? 0);
}

/** Runs `work` in one write transaction; whatever it throws leaves the database as it was. */
export function inTransaction<Result>(database: Database, work: () => Result): Result {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    // A full disk may have rolled the transaction back already.
    if (database.inTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/** The number that SQLite gave; what `exec` throws has it only in its message. */
function rawCodeOf(error: unknown): number {
  const { rawCode, message } = error as { readonly rawCode?: number; readonly message?: string };
  return rawCode ?? Number(/: (\d+)$/.exec(message ?? "")?.[1] ?? Number.NaN);
}

/** True where another connection holds what the statement needs. */
export function isBusy(error: unknown): boolean {
  return (rawCodeOf(error) & 0xff) === 5;
}

/** A failure of the database as it travels from the writer's thread. */
export interface SqliteFailure {
  readonly code: Extract<ErrorCode, `store_${string}`>;
  readonly message: string;
}

const BY_SQLITE_CODE: Readonly<Record<number, readonly [SqliteFailure["code"], string]>> = {
  5: ["store_failed", "is locked by another process for too long; see who holds it, and try again"],
  8: [
    "store_failed",
    "cannot be written; check the permissions of the file and its folder, or open it with `readOnly`",
  ],
  10: ["store_failed", "could not be read or written by the disk; check the disk, then open the store again"],
  11: ["store_corrupt", "is damaged; keep a copy of the file and its -wal, and restore it from a backup"],
  13: [
    "store_full",
    "has no space left on its disk; free some, then open the store again: nothing that was stored is lost",
  ],
  14: ["store_failed", "could not be opened; check that its folder exists and may be written"],
  26: ["store_corrupt", "is damaged, its header is not that of a database; restore it from a backup"],
};

/** What went wrong, as one sentence with the next step. */
export function toSqliteFailure(error: unknown, path: string): SqliteFailure {
  const { message } = error as { message?: string };
  const raw = rawCodeOf(error);
  // The low byte is the kind; what a disk answers when SQLite's index file cannot grow also means that it is full.
  const isFull = raw === 13 || raw === 4874 || /disk is full|no space/i.test(message ?? "");
  const [code, sentence] = (isFull ? BY_SQLITE_CODE[13] : BY_SQLITE_CODE[raw & 0xff]) ?? ["store_failed", "failed"];
  return { code, message: `The store ${path} ${sentence} (SQLite: ${message ?? String(error)}).` };
}

export function toStoreError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error;
  const failure = toSqliteFailure(error, path);
  return new StoreError(failure.code, failure.message, { cause: error });
}
