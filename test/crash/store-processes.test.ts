import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createBlobRef } from "../../dist/store/blob-digest.js";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";
import type { StoredEvent } from "../../dist/event/event.js";
import { countRows } from "./check-log.ts";
import { StoreProcess } from "./store-process.ts";

const folder = mkdtempSync(join(tmpdir(), "skein-processes-"));
const mounts: string[] = [];
let count = 0;

afterAll(() => {
  // Lazily: the binding gives its descriptors back when its statements are collected.
  for (const mount of mounts) execFileSync("umount", ["--lazy", mount]);
  rmSync(folder, { recursive: true, force: true });
});

const newPath = (): string => join(folder, `${count++}`, "skein.db");

/** A file system of its own, or undefined where this user may not mount one. */
function mountTmpfs(options: string): string | undefined {
  const point = join(folder, `mount-${count++}`);
  mkdirSync(point);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", point], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  mounts.push(point);
  return point;
}

async function readAll(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** Waits for a lease to be over by the clock that everyone goes by. */
async function leaseIsOver(path: string, sessionId: string): Promise<void> {
  const store = await openSqliteStore(path, { readOnly: true });
  while ((await store.get(sessionId))?.writer !== undefined) await new Promise((resolve) => setImmediate(resolve));
  await store.close();
}

describe("two processes", () => {
  it("L5: of two that write one session the first is refused with FencedError", async () => {
    const path = newPath();
    const first = new StoreProcess("hold", path);
    await first.hears("holding");
    const second = new StoreProcess("hold", path);
    await second.hears("holding");
    first.tell("append");
    expect(await first.hears("refused")).toBe("refused FencedError fenced");
    expect(await first.hears("lost")).toBe("lost fenced");
    second.tell("append");
    expect(await second.hears("stored")).toBe("stored 4");
    first.tell("close");
    second.tell("close");
    await Promise.all([first.ended(), second.ended()]);
    const store = await openSqliteStore(path);
    expect((await readAll(store.read("held"))).map(({ type }) => type)).toEqual([
      "run.started",
      "final",
      "run.started",
      "text.delta",
      "final",
    ]);
    await store.close();
  });

  it("L7: a run whose process was killed is closed at once, though its lease is not over", async () => {
    const path = newPath();
    const dead = new StoreProcess("hold", path, { leaseMs: 600_000 });
    await dead.hears("holding");
    const store = await openSqliteStore(path);
    expect(await store.recover()).toEqual([]);
    await expect(store.openWriter("held", { takeOver: false })).rejects.toMatchObject({ code: "session_busy" });
    await dead.kill();
    expect(await store.recover()).toMatchObject([{ sessionId: "held", reason: "owner_dead" }]);
    await store.close();
  });

  it("L8: an import goes on, and loses no blob, while another process deletes and sweeps", async () => {
    const path = newPath();
    const importing = new StoreProcess("import", path);
    importing.tell("next");
    expect(await importing.hears("took 2")).toBeDefined();
    const store = await openSqliteStore(path);
    await store.create({ id: "gone", kind: "task" });
    await store.delete("gone");
    for (const taken of [3, 4, 5]) {
      importing.tell("next");
      expect(await importing.hears(`took ${taken}`)).toBeDefined();
      expect((await store.prune({ kind: "none" })).sessions).toEqual([]);
    }
    importing.tell("end");
    expect(await importing.hears("imported")).toBe("imported 4");
    await importing.ended();
    const events = await readAll(store.read("held"));
    expect(events.map(({ type }) => type)).toEqual(["run.started", "text.delta", "custom", "final"]);
    expect((events[1] as { text: string }).text).toBe("é".repeat(2_500_000));
    const blob = createBlobRef(Buffer.from("a blob of an import"));
    expect(Buffer.from(await store.getBlob(blob)).toString()).toBe("a blob of an import");
    await store.delete("held");
    await expect(store.getBlob(blob)).rejects.toMatchObject({ code: "store_failed" });
    await store.close();
    expect(countRows(path, "import_claims")).toBe(0);
  });

  it("what a killed import leaves is swept by the next process that sweeps", async () => {
    const path = newPath();
    const importing = new StoreProcess("import", path);
    for (const taken of [2, 3, 4, 5]) {
      importing.tell("next");
      expect(await importing.hears(`took ${taken}`)).toBeDefined();
    }
    expect(countRows(path, "segment_parts")).toBeGreaterThan(0);
    expect(countRows(path, "import_claims")).toBe(1);
    await importing.kill();
    const store = await openSqliteStore(path);
    await store.prune({ kind: "none" });
    expect(await store.list()).toEqual([]);
    await store.close();
    for (const table of ["segments", "segment_parts", "blob_references", "deleted_sessions", "import_claims"])
      expect(countRows(path, table), table).toBe(0);
  });

  it("L7: a store that stays open looks by itself, about once a lease", async () => {
    const path = newPath();
    const dead = new StoreProcess("hold", path, { leaseMs: 600_000 });
    await dead.hears("holding");
    const store = await openSqliteStore(path, { leaseMs: 100 });
    const tail = readAll(store.tail("held", { until: "final" }));
    await dead.kill();
    expect((await tail).at(-1)).toMatchObject({ type: "final", status: "interrupted", reason: "owner_dead" });
    await store.close();
  });

  it.each([
    ["and somebody recovered its run", true],
    ["and nobody did", false],
  ])(
    "L5: a writer that stood still for longer than its lease (%s) is refused and writes not one byte",
    async (_how, isRecovered) => {
      const path = newPath();
      const paused = new StoreProcess("hold", path, { leaseMs: 400 });
      await paused.hears("holding");
      paused.tell("append");
      await paused.hears("stored 2");
      paused.signal("SIGSTOP");
      await leaseIsOver(path, "held");
      if (isRecovered) {
        const store = await openSqliteStore(path);
        expect(await readAll(store.read("held"))).toHaveLength(3);
        await store.close();
      }
      const asked = paused.lines.length;
      paused.tell("append");
      paused.signal("SIGCONT");
      expect(await paused.hears("refused", asked)).toBe("refused FencedError fenced");
      expect(await paused.hears("lost")).toBe("lost fenced");
      paused.tell("close");
      await paused.ended();
      const store = await openSqliteStore(path);
      expect((await readAll(store.read("held"))).map(({ type }) => type)).toEqual([
        "run.started",
        "text.delta",
        "final",
      ]);
      await store.close();
    },
  );

  it("L4: a tail in this process sees what another one writes, without gap or double", async () => {
    const path = newPath();
    const writer = new StoreProcess("hold", path);
    await writer.hears("holding");
    const store = await openSqliteStore(path, { readOnly: true });
    const leave = new AbortController();
    const seen: number[] = [];
    for (let asked = 0; asked < 200; asked++) writer.tell("append");
    for await (const event of store.tail("held", { signal: leave.signal }))
      if (seen.push(event.seq) === 201) leave.abort();
    expect(seen).toEqual(Array.from({ length: 201 }, (_, index) => index + 1));
    await store.close();
    await writer.kill();
  });
});

describe("disks", () => {
  const small = mountTmpfs("size=3m");

  it.skipIf(small === undefined)(
    "L8: a full disk is store_full, loses nothing that was stored, and ends the writing until the store is opened again",
    async () => {
      const path = join(small as string, "skein.db");
      const store = await openSqliteStore(path);
      await store.create({ id: "full", kind: "task" });
      const writer = await store.openWriter("full");
      const stored = await writer.append([{ type: "run.started", kind: "task", task: "fill" }]);
      let failure: unknown;
      while (failure === undefined) {
        await writer.append([{ type: "text.delta", text: "x".repeat(20_000) }]).then(
          (events) => stored.push(...events),
          (error: unknown) => (failure = error),
        );
      }
      expect(failure).toMatchObject({ name: "StoreError", code: "store_full" });
      expect(writer.lost?.aborted).not.toBe(false);
      await expect(writer.append([{ type: "text.delta", text: "x" }])).rejects.toMatchObject({ code: "store_closed" });
      await expect(store.create({ id: "more", kind: "task" })).rejects.toMatchObject({
        code: "store_closed",
        message: expect.stringContaining("no space left"),
      });
      expect(await readAll(store.read("full"))).toEqual(stored);
      await store.close();

      execFileSync("mount", ["-o", "remount,size=64m", small as string]);
      const again = await openSqliteStore(path);
      await again.openWriter("full");
      const log = await readAll(again.read("full"));
      expect(log.slice(0, stored.length)).toEqual(stored);
      expect(log.slice(stored.length)).toMatchObject([{ type: "final", status: "interrupted" }]);
      await again.close();
    },
  );

  const readOnly = mountTmpfs("size=16m");

  it.skipIf(readOnly === undefined)(
    "reads from a medium that cannot be written, and says why it cannot write",
    async () => {
      const path = join(readOnly as string, "skein.db");
      const writing = await openSqliteStore(path);
      await writing.create({ id: "old", kind: "task" });
      const writer = await writing.openWriter("old");
      await writer.append([{ type: "run.started", kind: "task", task: 1 }]);
      await writing.close();
      execFileSync("mount", ["--bind", readOnly as string, readOnly as string]);
      mounts.unshift(readOnly as string);
      execFileSync("mount", ["-o", "remount,bind,ro", readOnly as string]);
      const reading = await openSqliteStore(path, { readOnly: true });
      expect(await readAll(reading.read("old"))).toHaveLength(1);
      await reading.close();
      await expect(openSqliteStore(path)).rejects.toMatchObject({
        name: "StoreError",
        code: "store_failed",
        message: expect.stringContaining("readOnly"),
      });
      await expect(openSqliteStore(join(readOnly as string, "new", "skein.db"))).rejects.toMatchObject({
        code: "store_failed",
      });
    },
  );
});
