import { CommandExecutor } from "./command-executor.ts";
import { commitCommands } from "./commit-commands.ts";
import { OpenLeases } from "./open-leases.ts";
import { isBusy, loadBinding } from "./sqlite-binding.ts";
import type { Database } from "./sqlite-binding.ts";
import type { CommandResult, SqliteCommand } from "./sqlite-command.ts";

/** More than this is work for the thread: here it would hold the event loop up. */
export const DIRECT_CHARACTERS = 64 * 1024;

/** What has few rows to change, and no memory of its own on the thread. */
const DIRECT_KINDS: ReadonlySet<SqliteCommand["kind"]> = new Set([
  "append",
  "begin",
  "create",
  "open-writer",
  "close-writer",
] as const);

/**
 * Executes small commands in the thread that asks for them. Where nothing waits for the disk a transaction is shorter than the way to
 * another thread and back. It never waits: while another process writes, the commands go to the thread. Leases are in memory that both threads share.
 */
export class DirectWriter {
  readonly #database: Database;
  readonly #executor: CommandExecutor;
  readonly #leases: OpenLeases;
  #isClosed = false;

  private constructor(database: Database, leases: OpenLeases) {
    this.#database = database;
    this.#leases = leases;
    this.#executor = new CommandExecutor(database, leases);
  }

  static async open(path: string, memory: SharedArrayBuffer): Promise<DirectWriter> {
    const Binding = await loadBinding();
    const database = new Binding(path, { timeout: 0 });
    database.exec("PRAGMA synchronous = NORMAL");
    // Bringing the -wal into the file waits for the disk: the thread does it.
    database.exec("PRAGMA wal_autocheckpoint = 0");
    return new DirectWriter(database, new OpenLeases(undefined, memory));
  }

  /** The answers, or undefined where it is work for the thread; nothing was done then. Throws what the database throws. */
  commit(commands: readonly SqliteCommand[]): CommandResult[] | undefined {
    if (this.#isClosed || !commands.every(({ kind }) => DIRECT_KINDS.has(kind))) return undefined;
    try {
      return commitCommands(this.#database, this.#executor, this.#leases, commands);
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw error;
    }
  }

  /** A lease turned out to be gone. */
  drop(key: number, epoch: number): void {
    this.#leases.drop(key, epoch);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#database.close();
  }
}
