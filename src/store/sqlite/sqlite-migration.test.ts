import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { loadBinding, readNumber } from "./sqlite-binding.ts";
import type { Database } from "./sqlite-binding.ts";
import { backupPath, migrateFormat } from "./sqlite-migration.ts";

const folder = mkdtempSync(join(tmpdir(), "skein-migration-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function open(path: string): Promise<Database> {
  const Binding = await loadBinding();
  return new Binding(path, { timeout: 1000 });
}

async function makeOld(name: string): Promise<{ path: string; database: Database }> {
  const path = join(folder, name);
  const database = await open(path);
  database.exec("CREATE TABLE things (a); INSERT INTO things VALUES (1); PRAGMA user_version = 1");
  return { path, database };
}

const addColumn = {
  from: 1,
  migrate: (database: Database) => void database.exec("ALTER TABLE things ADD COLUMN b DEFAULT 7"),
};
const addRow = { from: 2, migrate: (database: Database) => void database.exec("INSERT INTO things VALUES (2, 8)") };

it("takes every step to the newest format, after the file was copied", async () => {
  const { path, database } = await makeOld("old.db");
  expect(migrateFormat(database, path, 3, [addColumn, addRow])).toBe(backupPath(path, 1));
  expect(database.prepare("SELECT a, b FROM things ORDER BY a").raw().all([])).toEqual([
    [1, 7],
    [2, 8],
  ]);
  expect(readNumber(database, "PRAGMA user_version")).toBe(3);
  const backup = await open(backupPath(path, 1));
  expect(backup.prepare("SELECT * FROM things").raw().all([])).toEqual([[1]]);
  expect(readNumber(backup, "PRAGMA user_version")).toBe(1);
  backup.close();
  database.close();
});

it("changes nothing where a step fails, and can be tried again over the copy that is there", async () => {
  const { path, database } = await makeOld("failing.db");
  const broken = {
    from: 2,
    migrate: () => {
      throw new Error("no");
    },
  };
  expect(() => migrateFormat(database, path, 3, [addColumn, broken])).toThrow("no");
  expect(readNumber(database, "PRAGMA user_version")).toBe(1);
  expect(database.prepare("SELECT * FROM things").raw().all([])).toEqual([[1]]);
  migrateFormat(database, path, 3, [addColumn, addRow]);
  expect(readNumber(database, "PRAGMA user_version")).toBe(3);
  database.close();
});

it("does nothing to the newest format", async () => {
  const { path, database } = await makeOld("current.db");
  expect(migrateFormat(database, path, 1)).toBeUndefined();
  expect(existsSync(backupPath(path, 1))).toBe(false);
  database.close();
});
