import { parentPort, workerData } from "node:worker_threads";
import { CommandExecutor } from "./command-executor.ts";
import { commitCommands } from "./commit-commands.ts";
import { LeaseRenewal } from "./lease-renewal.ts";
import { OpenLeases } from "./open-leases.ts";
import { WRITE_TIMEOUT_MS, loadBinding, readNumber, toSqliteFailure } from "./sqlite-binding.ts";
import type { Database } from "./sqlite-binding.ts";
import { isOpening } from "./sqlite-command.ts";
import type { FromThread, SqliteCommand, ThreadOptions, ToThread } from "./sqlite-command.ts";
import {
  APPLICATION_ID,
  FORMAT_VERSION,
  addClaims,
  checkFormat,
  createFormat,
  refuseDamaged,
} from "./sqlite-format.ts";
import { migrateFormat } from "./sqlite-migration.ts";

/**
 * The thread that writes. It owns the one connection of its process that changes anything, so that the event loop never waits
 * for the disk. Every message is one transaction; what gathers on the main thread while it is flushed is the next one.
 */
const port = parentPort as NonNullable<typeof parentPort>;
const { path, durability, leases: memory } = workerData as ThreadOptions;

const COMPACT_TIMEOUT_MS = 100;

/** A -wal of so many pages, 16 MiB, should begin at its start again. */
const RESTART_AT_PAGES = 4_096;

const send = (message: FromThread): void => port.postMessage(message);

async function openDatabase(): Promise<Database> {
  const Binding = await loadBinding();
  const database = new Binding(path, { timeout: WRITE_TIMEOUT_MS });
  if (readNumber(database, "PRAGMA application_id") !== APPLICATION_ID) {
    // Only takes effect in a file without tables; space that is freed can then be given back in small steps.
    database.exec("PRAGMA auto_vacuum = INCREMENTAL");
    createFormat(database);
  }
  checkFormat(path, readNumber(database, "PRAGMA application_id"), readNumber(database, "PRAGMA user_version"));
  refuseDamaged(database, path);
  database.prepare("PRAGMA journal_mode = WAL").all([]);
  database.exec(`PRAGMA synchronous = ${durability === "disk" ? "FULL" : "NORMAL"}`);
  migrateFormat(database, path, FORMAT_VERSION);
  addClaims(database);
  return database;
}

/**
 * A checkpoint that another process stands in the way of is no failure: the next one takes it along.
 *
 * @returns how many pages the -wal has, and whether nobody was in the way
 */
function compact(
  database: Database,
  mode: "TRUNCATE" | "PASSIVE" | "RESTART",
): { readonly pages: number; readonly isComplete: boolean } {
  try {
    // A reader that stands still must not keep the writers of this process waiting.
    database.prepare(`PRAGMA busy_timeout = ${COMPACT_TIMEOUT_MS}`).all([]);
    const rows = database.prepare(`PRAGMA wal_checkpoint(${mode})`).raw().all([]) as [number, number, number][];
    const [isBusy, pages] = rows[0] ?? [1, 0];
    return { pages, isComplete: isBusy === 0 };
  } catch {
    // What is in the -wal is as durable as what is in the file.
    return { pages: 0, isComplete: false };
  } finally {
    database.prepare(`PRAGMA busy_timeout = ${WRITE_TIMEOUT_MS}`).all([]);
  }
}

/**
 * Brings what the -wal holds into the file beside the thread that writes. As long as that one never rests there is always something left,
 * and the -wal would only grow; where it is long the rest is brought in while nobody writes, and the next write begins at its start.
 *
 * @returns at how many pages that should be tried next
 */
function bringIn(database: Database, restartAt: number): number {
  const { pages } = compact(database, "PASSIVE");
  if (pages < restartAt) return restartAt;
  // A reader that stands still is not waited for again and again.
  return compact(database, "RESTART").isComplete ? RESTART_AT_PAGES : pages + RESTART_AT_PAGES;
}

function serve(database: Database): void {
  const leases = new OpenLeases(undefined, memory);
  const executor = new CommandExecutor(database, leases);
  const renewal = new LeaseRenewal(database, leases, (lost) => {
    // Where leases are opened outside of this thread they are dropped there, too.
    if (durability === "disk") leases.drop(lost.key, lost.epoch);
    send({ type: "lost", ...lost });
  });

  let restartAt = RESTART_AT_PAGES;
  let hasFailed = false;
  /** Nothing more is written by this thread: a lease that it went on renewing would keep others out of what it cannot go on with. */
  const fail = (): void => {
    hasFailed = true;
    renewal.stop();
  };

  const commit = (id: number, commands: readonly SqliteCommand[]): void => {
    try {
      const results = commitCommands(database, executor, leases, commands);
      for (const command of commands) if (isOpening(command)) renewal.schedule(command.leaseMs);
      send({ type: "committed", id, results });
    } catch (error) {
      fail();
      send({ type: "failed", id, failure: toSqliteFailure(error, path) });
    }
  };

  port.on("message", (message: ToThread) => {
    switch (message.type) {
      case "commit":
        // It may have been on its way when the one before it failed.
        if (!hasFailed) commit(message.id, message.commands);
        return;
      case "renew":
        if (!hasFailed) renewal.schedule(message.leaseMs);
        return;
      case "checkpoint":
        restartAt = bringIn(database, restartAt);
        send({ type: "checkpointed" });
        return;
      case "compact":
        compact(database, "TRUNCATE");
        send({ type: "committed", id: message.id, results: [{ is: "done" }] });
        return;
      case "fail":
        fail();
        return;
      case "close":
        renewal.stop();
        compact(database, "TRUNCATE");
        database.close();
        port.close();
        return;
    }
  });
}

try {
  const database = await openDatabase();
  serve(database);
  send({ type: "opened" });
} catch (error) {
  const failure =
    error instanceof Error && "code" in error && String(error.code).startsWith("store_")
      ? { code: error.code as "store_failed", message: error.message }
      : toSqliteFailure(error, path);
  send({ type: "open-failed", failure });
  port.close();
}
