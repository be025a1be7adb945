import { existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { StoreError, ValidationError } from "../../errors.ts";
import { checkLeaseMs } from "../new-session.ts";
import { DEFAULT_LEASE_MS } from "../session-store.ts";
import type { OpenStoreOptions, SessionStore } from "../session-store.ts";
import { openReadOnly, openReader, readNumber, toStoreError } from "./sqlite-binding.ts";
import { FORMAT_VERSION, checkFormat, inspectFile, refuseDamaged } from "./sqlite-format.ts";
import { SqliteReader } from "./sqlite-reader.ts";
import { SqliteStore } from "./sqlite-store.ts";
import { WriterChannel } from "./writer-channel.ts";

/**
 * Opens the store in one database file; a file that is missing is made, and its folder.
 * Opening for writing closes the runs of processes that died (L7). Any number of processes may have the same file open.
 *
 * @param path the database file, such as `.skein/skein.db`; two files beside it, `-wal` and `-shm`, belong to it while it is open
 * @throws ValidationError `path_not_found` (reading only); StoreError `store_foreign`, `store_corrupt`, `store_newer`, `store_unavailable`, `store_full`, `store_failed`
 * @stable
 */
export async function openSqliteStore(path: string, options: OpenStoreOptions = {}): Promise<SessionStore> {
  const file = resolve(path);
  const { readOnly = false, durability = "disk", leaseMs = DEFAULT_LEASE_MS } = options;
  checkLeaseMs(leaseMs);
  const kind = await inspectFile(file);
  if (readOnly) {
    if (kind === "missing")
      throw new ValidationError(
        "path_not_found",
        `There is no store at ${file}; check the path, or open it for writing to make one.`,
      );
    if (kind === "empty")
      throw new StoreError(
        "store_foreign",
        `${file} is an empty file, not a store; open it for writing to make one of it.`,
      );
    return new SqliteStore({ path: file, reader: await openForReading(file), channel: undefined, durability, leaseMs });
  }
  makeFolder(dirname(file));
  const channel = await WriterChannel.open({ path: file, durability });
  try {
    const database = await openReader(file);
    const store = new SqliteStore({
      path: file,
      reader: new SqliteReader(database, file),
      channel,
      durability,
      leaseMs,
    });
    await store.recover();
    // Beside whatever the store is used for; if it cannot end, the next opening goes on.
    void store.resumeSweep().catch(() => {});
    return store;
  } catch (error) {
    await channel.close();
    throw toStoreError(error, file);
  }
}

async function openForReading(path: string): Promise<SqliteReader> {
  try {
    const database = await openReadOnly(path, existsSync(`${path}-wal`));
    const version = readNumber(database, "PRAGMA user_version");
    checkFormat(path, readNumber(database, "PRAGMA application_id"), version);
    if (version < FORMAT_VERSION) {
      throw new StoreError(
        "store_failed",
        `The store ${path} has the older format ${version}; open it once for writing to bring it to format ${FORMAT_VERSION}.`,
      );
    }
    refuseDamaged(database, path);
    return new SqliteReader(database, path);
  } catch (error) {
    throw toStoreError(error, path);
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOSPC")
      throw new StoreError(
        "store_full",
        `There is no space left to make the folder ${folder}; free some and try again.`,
        { cause },
      );
    throw new StoreError(
      "store_failed",
      `The folder ${folder} for the store could not be made: ${message}. Check the path and its permissions.`,
      { cause },
    );
  }
}
