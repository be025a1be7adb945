import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSqliteStore } from "./index.ts";
import { loadBinding } from "./sqlite-binding.ts";
import type { Database } from "./sqlite-binding.ts";

const folder = mkdtempSync(join(tmpdir(), "skein-format-"));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function change(path: string, sql: string): Promise<void> {
  const Binding = await loadBinding();
  const database: Database = new Binding(path, { timeout: 1000 });
  database.exec(sql);
  database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all([]);
  database.close();
}

async function makeStore(path: string): Promise<void> {
  const store = await openSqliteStore(path);
  await store.create({ id: "old", kind: "task" });
  const writer = await store.openWriter("old");
  await writer.append([{ type: "run.started", kind: "task", task: 1 }]);
  for (let index = 0; index < 50; index++) await writer.append([{ type: "text.delta", text: "x".repeat(2000) }]);
  await store.close();
}

describe("a file that is not a store of this version", () => {
  beforeAll(async () => {
    writeFileSync(at("text"), "a letter to somebody ".repeat(500));
    writeFileSync(at("short"), "x");
    writeFileSync(at("magic"), `SQLite format 3\0${"x".repeat(5000)}`);
    await change(at("other"), "CREATE TABLE theirs (a)");
    await makeStore(at("newer"));
    await change(at("newer"), "PRAGMA user_version = 99");
    await makeStore(at("whole"));
    for (const name of ["cut", "scratched", "header"]) copyFileSync(at("whole"), at(name));
    truncateSync(at("cut"), 40_000);
    const scratched = readFileSync(at("scratched"));
    for (let page = 4096; page < scratched.length; page += 4096) scratched.fill(0xff, page, page + 200);
    writeFileSync(at("scratched"), scratched);
    const header = readFileSync(at("header"));
    writeFileSync(at("header"), header.fill(0xff, 100, 3000));
  });

  it.each([
    ["text", "store_foreign"],
    ["short", "store_foreign"],
    ["magic", "store_foreign"],
    ["other", "store_foreign"],
    ["newer", "store_newer"],
    ["cut", "store_corrupt"],
    ["scratched", "store_corrupt"],
    ["header", "store_corrupt"],
  ])("is refused and left as it is: %s is %s", async (name, code) => {
    const before = readFileSync(at(name));
    for (const readOnly of [true, false]) {
      await expect(openSqliteStore(at(name), { readOnly })).rejects.toMatchObject({
        name: "StoreError",
        code,
        message: expect.not.stringMatching(/\n/),
      });
    }
    expect(readFileSync(at(name)).equals(before)).toBe(true);
  });

  it("a folder is refused", async () => {
    mkdirSync(at("folder"));
    await expect(openSqliteStore(at("folder"))).rejects.toMatchObject({ code: "store_foreign" });
  });
});

describe("a file that is not there", () => {
  it("is made, with its folder, when it is opened for writing", async () => {
    const store = await openSqliteStore(at("new/folder/skein.db"));
    await store.close();
    expect(existsSync(at("new/folder/skein.db"))).toBe(true);
  });

  it("is path_not_found when it is opened for reading, and is not made", async () => {
    await expect(openSqliteStore(at("nothing/skein.db"), { readOnly: true })).rejects.toMatchObject({
      name: "ValidationError",
      code: "path_not_found",
    });
    expect(existsSync(at("nothing"))).toBe(false);
  });

  it("is made once by ten that open it at the same time", async () => {
    const stores = await Promise.all(Array.from({ length: 10 }, () => openSqliteStore(at("race.db"))));
    await stores[0]?.create({ id: "a", kind: "task" });
    for (const store of stores) expect(await store.list()).toHaveLength(1);
    await Promise.all(stores.map((store) => store.close()));
  });
});

it("refuses a lease that is no time", async () => {
  await expect(openSqliteStore(at("lease.db"), { leaseMs: 0 })).rejects.toMatchObject({ code: "invalid_option" });
  expect(existsSync(at("lease.db"))).toBe(false);
});
