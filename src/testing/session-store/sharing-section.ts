import { describe, expect, it } from "vitest";
import type { SessionStoreKitOptions } from "./store-under-test.ts";
import { FINAL, RUN_STARTED, StoreUnderTest, beginRun, delta, readAll, readLines } from "./store-under-test.ts";

/** What outlives its store, and several that have the same sessions open. Runs only where a store can be opened again. */
export function testSharing(kit: SessionStoreKitOptions): void {
  describe.skipIf(kit.reopen === undefined)("opened again", () => {
    const stores = new StoreUnderTest(kit);

    it("L4: holds every byte that was stored when it is opened again", async () => {
      const first = await stores.open();
      const writer = await beginRun(first);
      await writer.append(Array.from({ length: 100 }, (_, index) => delta(`${index}`)));
      await writer.append([FINAL]);
      const before = await readLines(first.read("session"));
      const blob = await first.putBlob(new Uint8Array([1, 2, 3]));
      await first.close();
      const second = await stores.reopen(first);
      expect(await readLines(second.read("session"))).toEqual(before);
      expect([...(await second.getBlob(blob))]).toEqual([1, 2, 3]);
    });

    it("L5: fences a writer of another store, which learns of it at its next append", async () => {
      const one = await stores.open();
      const older = await beginRun(one);
      const two = await stores.reopen(one);
      await expect(two.openWriter("session", { takeOver: false })).rejects.toMatchObject({ code: "session_busy" });
      const newer = await two.openWriter("session");
      await expect(older.append([delta("late")])).rejects.toMatchObject({ code: "fenced" });
      expect(older.lost?.aborted).not.toBe(false);
      const [event] = await newer.append([RUN_STARTED]);
      expect((await readAll(one.read("session"))).map(({ type }) => type)).toEqual([
        "run.started",
        "final",
        "run.started",
      ]);
      expect(event?.seq).toBe(3);
    });

    it("L5: a writer that appends nothing learns of its fencing by its heartbeat", async () => {
      const one = await stores.open();
      await one.create({ id: "session", kind: "task" });
      const older = await one.openWriter("session", { leaseMs: 300 });
      const { lost } = older;
      if (lost === undefined) return;
      const told = new Promise((resolve) => lost.addEventListener("abort", resolve, { once: true }));
      const two = await stores.reopen(one);
      await two.openWriter("session");
      await told;
      expect(lost.reason).toMatchObject({ code: "fenced" });
    });

    it("keeps its lease beyond its time, for it renews it", async () => {
      const one = await stores.open();
      await one.create({ id: "session", kind: "task" });
      const writer = await one.openWriter("session", { leaseMs: 400 });
      await writer.append([RUN_STARTED]);
      const two = await stores.reopen(one);
      const end = Date.now() + 1200;
      while (Date.now() < end) {
        expect(await two.recover()).toEqual([]);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect((await writer.append([delta("still mine")]))[0]?.seq).toBe(2);
    });

    it("L7: ten racing recoverers close a run exactly once", async () => {
      const one = await stores.open();
      const writer = await beginRun(one);
      await writer.append([delta("unfinished")]);
      await writer.close();
      const others = await Promise.all(Array.from({ length: 4 }, () => stores.reopen(one)));
      const closed = (
        await Promise.all([one, ...others].flatMap((store) => [store.recover(), store.recover()]))
      ).flat();
      expect(closed.length).toBeLessThanOrEqual(1);
      expect((await readAll(one.read("session"))).map(({ type }) => type)).toEqual([
        "run.started",
        "text.delta",
        "final",
      ]);
    });

    it("L4: tails what another store writes, without gap or double", async () => {
      const one = await stores.open();
      const writer = await beginRun(one);
      const two = await stores.reopen(one);
      const tail = readAll(two.tail("session", { until: "final" }));
      for (let seq = 2; seq <= 200; seq++) await writer.append([delta(`${seq}`)]);
      await writer.append([FINAL]);
      expect((await tail).map(({ seq }) => seq)).toEqual(Array.from({ length: 201 }, (_, index) => index + 1));
    });

    it("reads, lists and tails when it is opened for reading only, and refuses every write", async () => {
      const one = await stores.open();
      const writer = await beginRun(one);
      const reader = await stores.reopen(one, { readOnly: true });
      expect(reader.capabilities.readOnly).toBe(true);
      const tail = readAll(reader.tail("session", { until: "final" }));
      await writer.append([FINAL]);
      expect(await tail).toHaveLength(2);
      expect(await reader.list()).toHaveLength(1);
      const refused = { code: "store_read_only" };
      await expect(reader.create({ id: "x", kind: "task" })).rejects.toMatchObject(refused);
      await expect(reader.openWriter("session")).rejects.toMatchObject(refused);
      await expect(reader.fork("session", { atSeq: 1 })).rejects.toMatchObject(refused);
      await expect(reader.recover()).rejects.toMatchObject(refused);
      await expect(reader.delete("session")).rejects.toMatchObject(refused);
      await expect(reader.prune({})).rejects.toMatchObject(refused);
      await expect(reader.putBlob(new Uint8Array(1))).rejects.toMatchObject(refused);
    });
  });
}
