import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { testSessionStore } from "../../testing/test-session-store.ts";
import type { OpenStoreOptions, SessionStore } from "../session-store.ts";
import { openSqliteStore } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "skein-sqlite-"));
const paths = new WeakMap<SessionStore, string>();
let count = 0;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function open(path: string, options: OpenStoreOptions): Promise<SessionStore> {
  const store = await openSqliteStore(path, options);
  paths.set(store, path);
  return store;
}

for (const durability of ["disk", "process"] as const) {
  testSessionStore({
    name: durability === "disk" ? "SQLite" : "SQLite, durability process",
    open: (options) => open(join(folder, `${count++}`, "skein.db"), { durability, ...options }),
    reopen: (store, options) => open(paths.get(store) as string, { durability, ...options }),
    capabilities: { name: "sqlite", persistence: "file", multiProcess: true, durability },
  });
}
