import { killPoint } from "../../internal/kill-point.ts";
import { inTransaction, readNumber } from "./sqlite-binding.ts";
import type { Database } from "./sqlite-binding.ts";
import { toEventFormat } from "./sqlite-format.ts";
import { upcastLog } from "./upcast-log.ts";

/** Brings the tables from one format to the next. */
export interface Migration {
  /** The format that it starts from; it ends at the next. */
  readonly from: number;
  migrate(database: Database): void;
}

/** One for each change of the format since the first, oldest first. */
export const MIGRATIONS: readonly Migration[] = [
  {
    from: 1,
    // Rows that are there keep their lines: a reader tells them by what they lack.
    migrate: (database) =>
      database.exec("ALTER TABLE segments ADD COLUMN run TEXT; ALTER TABLE segments ADD COLUMN at INTEGER"),
  },
];

/** Where the copy of a file lies that was made before its migration. */
export function backupPath(path: string, version: number): string {
  return `${path}.format-${version}.backup`;
}

/**
 * Brings an older database to the newest format: a copy is made beside it, then every step is taken in one transaction.
 * Two processes may try at once; the second finds nothing left to do.
 *
 * @returns the path of the copy, or undefined where nothing had to be done
 */
export function migrateFormat(
  database: Database,
  path: string,
  target: number,
  migrations: readonly Migration[] = MIGRATIONS,
): string | undefined {
  const version = readNumber(database, "PRAGMA user_version");
  if (version >= target) return undefined;
  const backup = backupPath(path, version);
  copyDatabase(database, backup);
  inTransaction(database, () => {
    for (let at = readNumber(database, "PRAGMA user_version"); at < target; at++) {
      const step = migrations.find(({ from }) => from === at);
      if (step === undefined) throw new Error(`There is no migration from format ${at}.`);
      step.migrate(database);
      upcastLog(database, toEventFormat(at));
      killPoint("in-migration");
      database.exec(`PRAGMA user_version = ${at + 1}`);
    }
  });
  return backup;
}

/** A whole copy in one read transaction, also of what only stands in the -wal yet. An older copy stays: it is nearer to the origin. */
function copyDatabase(database: Database, to: string): void {
  try {
    database.prepare("VACUUM INTO ?").run([to]);
  } catch (error) {
    if (!/already exists/.test((error as Error).message)) throw error;
  }
}
