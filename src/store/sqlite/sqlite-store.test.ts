import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { testSessionStore } from "../../testing/test-session-store.ts";
import type { SessionStore } from "../session-store.ts";
import { openSqliteStore } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "skein-sqlite-"));
const paths = new WeakMap<SessionStore, string>();
let count = 0;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

testSessionStore({
  name: "SQLite",
  open: async (options) => {
    const path = join(folder, `${count++}`, "skein.db");
    const store = await openSqliteStore(path, options);
    paths.set(store, path);
    return store;
  },
  reopen: async (store, options) => {
    const path = paths.get(store) as string;
    const again = await openSqliteStore(path, options);
    paths.set(again, path);
    return again;
  },
  capabilities: { name: "sqlite", persistence: "file", multiProcess: true, durability: "disk" },
});
