import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterAll, afterEach, expect, it, vi } from "vitest";
import { StoreError } from "../../errors.ts";
import type { StoredEvent } from "../../event/event.ts";
import type { SessionStore } from "../session-store.ts";
import { openSqliteStore } from "./index.ts";
import { inTransaction, loadBinding } from "./sqlite-binding.ts";

const folder = mkdtempSync(join(tmpdir(), "skein-direct-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => void vi.restoreAllMocks());

const started = { type: "run.started", kind: "task", task: 1 } as const;
const delta = (text: string): { type: "text.delta"; text: string } => ({ type: "text.delta", text });

async function readTypes(store: SessionStore, id: string): Promise<string[]> {
  const types: string[] = [];
  for await (const { type } of store.read(id)) types.push(type);
  return types;
}

/** The transactions that the thread is asked for from here on. */
function watchThread(): () => number {
  const post = vi.spyOn(Worker.prototype, "postMessage");
  return () => post.mock.calls.filter(([message]) => (message as { type: string }).type === "commit").length;
}

it("writes small appends in the thread that asks, and large ones in the other", async () => {
  await using store = await openSqliteStore(join(folder, "kinds.db"), { durability: "process" });
  const commits = watchThread();
  await store.create({ id: "a", kind: "task" });
  const writer = await store.openWriter("a");
  await writer.append([started]);
  expect(commits()).toBe(0);
  await writer.append([delta("x".repeat(100_000))]);
  expect(commits()).toBe(1);
  await Promise.all([writer.append([delta("y".repeat(100_000))]), writer.append([delta("z")])]);
  await writer.append([delta("z")]);
  expect(await readTypes(store, "a")).toEqual(["run.started", ...Array.from({ length: 4 }, () => "text.delta")]);
});

it("L4: leaves it to the thread to wait while another process writes, and keeps the order", async () => {
  const path = join(folder, "busy.db");
  await using store = await openSqliteStore(path, { durability: "process" });
  await store.create({ id: "a", kind: "task" });
  const writer = await store.openWriter("a");
  await writer.append([started]);
  const commits = watchThread();
  const Binding = await loadBinding();
  const other = new Binding(path, { timeout: 0 });
  other.exec("BEGIN IMMEDIATE");
  const appends = Promise.all([0, 1, 2].map((index) => writer.append([delta(`${index}`)])));
  // The event loop turns while the thread waits.
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  expect(commits()).toBe(1);
  other.exec("COMMIT");
  other.close();
  expect((await appends).flat().map(({ seq }) => seq)).toEqual([2, 3, 4]);
  await writer.append([delta("direct again")]);
  expect(commits()).toBe(1);
});

it("L5: keeps its lease while its own thread computes for longer than that", async () => {
  await using store = await openSqliteStore(join(folder, "lease.db"), { durability: "process", leaseMs: 3_000 });
  await store.create({ id: "a", kind: "task" });
  const writer = await store.openWriter("a");
  await writer.append([started]);
  // So long that the lease would be over, had the other thread not renewed it.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4_000);
  expect(await writer.append([delta("still mine")])).toMatchObject([{ seq: 2 }]);
  expect(writer.lost?.aborted).toBe(false);
});

it("L5: a writer that was fenced by another process is refused", async () => {
  const path = join(folder, "fenced.db");
  await using store = await openSqliteStore(path, { durability: "process" });
  await store.create({ id: "a", kind: "task" });
  const writer = await store.openWriter("a");
  await writer.append([started]);
  const Binding = await loadBinding();
  const other = new Binding(path, { timeout: 0 });
  inTransaction(other, () => other.exec("UPDATE sessions SET epoch = epoch + 1"));
  other.close();
  await expect(writer.append([delta("late")])).rejects.toMatchObject({ code: "fenced" });
  await expect(writer.append([delta("later")])).rejects.toMatchObject({ code: "fenced" });
  expect(await readTypes(store, "a")).toEqual(["run.started"]);
});

it("L8: a write that fails rejects its append, and the store refuses until it is opened again", async () => {
  const path = join(folder, "fails.db");
  const store = await openSqliteStore(path, { durability: "process" });
  await store.create({ id: "a", kind: "task" });
  const writer = await store.openWriter("a");
  const stored = await writer.append([started]);
  const Binding = await loadBinding();
  const other = new Binding(path, { timeout: 5_000 });
  other.exec("CREATE TRIGGER broken BEFORE UPDATE ON segments BEGIN SELECT RAISE(ABORT, 'no space'); END");
  await expect(writer.append([delta("lost")])).rejects.toMatchObject({ name: "StoreError", code: "store_full" });
  expect(writer.lost?.reason).toBeInstanceOf(StoreError);
  other.exec("DROP TRIGGER broken");
  other.close();
  // The disk is well again, but nobody knows what reached it.
  await expect(writer.append([delta("later")])).rejects.toMatchObject({ code: "store_closed" });
  await expect(store.create({ id: "b", kind: "task" })).rejects.toMatchObject({ code: "store_closed" });
  await store.close();
  await using again = await openSqliteStore(path, { durability: "process" });
  const events: StoredEvent[] = [];
  for await (const event of again.read("a")) events.push(event);
  expect(events).toEqual(stored);
});

it("keeps the -wal short while a writer never rests", { timeout: 120_000 }, async () => {
  const path = join(folder, "short-wal.db");
  await using store = await openSqliteStore(path, { durability: "process" });
  await store.create({ id: "a", kind: "task" });
  const writer = await store.openWriter("a");
  await writer.append([started]);
  let longest = 0;
  // Five pages each, 63 MB in all, if nothing ever begins at the start again.
  for (let count = 1; count <= 3_000; count++) {
    await writer.append([delta("x".repeat(3_000))]);
    if (count % 100 === 0) longest = Math.max(longest, statSync(`${path}-wal`).size);
  }
  // About 23 MB; each time that the thread does not get the file to itself in its time it may be 17 MB longer.
  expect(longest).toBeLessThan(58_000_000);
});
