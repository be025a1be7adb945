import { describe, expect, it } from "vitest";
import type { SessionStoreKitOptions } from "./store-under-test.ts";
import { FINAL, RUN_STARTED, StoreUnderTest, beginRun, delta, readAll } from "./store-under-test.ts";

/** Writers: one at a time, and the runs that an older one left open. */
export function testWriters(kit: SessionStoreKitOptions): void {
  describe("writers", () => {
    const stores = new StoreUnderTest(kit);

    it("L5: opening a writer raises the epoch, and an append under an older one changes nothing", async () => {
      const store = await stores.open();
      const older = await beginRun(store);
      await older.append([FINAL]);
      const newer = await store.openWriter("session");
      expect(newer.epoch).toBe(older.epoch + 1);
      await expect(older.append([RUN_STARTED])).rejects.toMatchObject({ code: "fenced", name: "FencedError" });
      expect((await store.get("session"))?.lastSeq).toBe(2);
      await newer.append([RUN_STARTED]);
      expect((await store.get("session"))?.lastSeq).toBe(3);
    });

    it("L5: a writer that was fenced learns of it, and stays fenced", async () => {
      const store = await stores.open();
      const older = await beginRun(store);
      expect(older.lost?.aborted).not.toBe(true);
      await store.openWriter("session");
      expect(older.lost?.aborted).not.toBe(false);
      await expect(older.append([delta("x")])).rejects.toMatchObject({ code: "fenced" });
      await expect(older.append([delta("x")])).rejects.toMatchObject({ code: "fenced" });
      await older.close();
      expect((await store.get("session"))?.writer).toBeDefined();
    });

    it("L5: opening a writer closes the run that the older one left open", async () => {
      const store = await stores.open();
      const older = await beginRun(store);
      const [said] = await older.append([delta("half a sen"), { type: "usage.reported", outputTokens: 3 }]);
      const newer = await store.openWriter("session");
      expect((await store.get("session"))?.lastSeq).toBe(4);
      const log = await readAll(store.read("session"));
      expect(log.at(-1)).toEqual({
        seq: 4,
        at: log.at(-1)?.at,
        sessionId: "session",
        runId: said?.runId,
        type: "final",
        status: "interrupted",
        reason: "taken_over",
        text: "half a sen",
        usage: { outputTokens: 3 },
        durationMs: (log[2]?.at ?? 0) - (log[0]?.at ?? 0),
      });
      expect(await store.get("session")).toMatchObject({ status: "interrupted", lastSeq: 4 });
      const [next] = await newer.append([RUN_STARTED]);
      expect(next?.seq).toBe(5);
    });

    it("L3: the final of an interrupted run carries the failure that was stored before it died", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const error = { name: "Error", message: "the first", kind: "backend" } as const;
      await writer.append([
        { type: "backend.failed", backend: "box", error },
        { type: "backend.failed", backend: "box", error: { ...error, message: "a later one" } },
      ]);
      await store.openWriter("session");
      expect((await readAll(store.read("session"))).at(-1)).toMatchObject({
        type: "final",
        status: "interrupted",
        error,
      });
    });

    it("L10: the final of a run that reported no usage has none", async () => {
      const store = await stores.open();
      await beginRun(store);
      await store.openWriter("session");
      expect((await readAll(store.read("session"))).at(-1)).toMatchObject({ type: "final", usage: {} });
    });

    it("L2: ten that take over one after the other leave one final for each run", async () => {
      const store = await stores.open();
      await store.create({ id: "session", kind: "task" });
      const writers = await Promise.all(Array.from({ length: 10 }, () => store.openWriter("session")));
      const outcomes = await Promise.allSettled(writers.map((writer) => writer.append([RUN_STARTED])));
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      await Promise.all(Array.from({ length: 10 }, () => store.openWriter("session")));
      const log = await readAll(store.read("session"));
      expect(log.map(({ type }) => type)).toEqual(["run.started", "final"]);
    });

    it("takes over a writer that never stops appending", async () => {
      const store = await stores.open();
      const busy = await beginRun(store);
      let stored = 1;
      const appending = (async () => {
        for (;;) stored = (await busy.append([delta("again"), delta("and again")])).at(-1)?.seq ?? stored;
      })().catch((error: unknown) => error);
      await store.openWriter("session");
      expect(await appending).toMatchObject({ code: "fenced" });
      const log = await readAll(store.read("session"));
      expect(log.map(({ seq }) => seq)).toEqual(log.map((_, index) => index + 1));
      expect(log.filter(({ type }) => type === "final")).toHaveLength(1);
      expect(log.at(-1)?.type).toBe("final");
      expect(stored).toBeLessThan(log.length);
    });

    it("refuses a session that another writer holds where `takeOver` is false, and opens it once that one is closed", async () => {
      const store = await stores.open();
      const first = await beginRun(store);
      await expect(store.openWriter("session", { takeOver: false })).rejects.toMatchObject({ code: "session_busy" });
      expect(first.lost?.aborted).not.toBe(true);
      await first.append([FINAL]);
      await first.close();
      const second = await store.openWriter("session", { takeOver: false });
      expect(second.epoch).toBe(first.epoch + 1);
    });

    it("lets one of ten win that all ask without taking over", async () => {
      const store = await stores.open();
      await store.create({ id: "session", kind: "task" });
      const outcomes = await Promise.allSettled(
        Array.from({ length: 10 }, () => store.openWriter("session", { takeOver: false })),
      );
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    });

    it("says who writes, until the writer is closed", async () => {
      const store = await stores.open();
      await store.create({ id: "session", kind: "task" });
      const writer = await store.openWriter("session", { owner: "ada", leaseMs: 60_000 });
      const { writer: holder } = (await store.get("session")) ?? {};
      expect(holder?.owner).toBe("ada");
      expect(holder?.leaseUntil).toBeGreaterThan(Date.now() + 30_000);
      await writer.close();
      await writer.close();
      expect((await store.get("session"))?.writer).toBeUndefined();
      await expect(writer.append([RUN_STARTED])).rejects.toMatchObject({ code: "store_closed" });
    });

    it("closes a writer after what was appended before it, without awaiting that", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const last = writer.append([delta("the last")]);
      await writer.close();
      expect((await last)[0]?.seq).toBe(2);
    });

    it("L7: recovery closes a run whose writer gave up its lease, once, and leaves a live one alone", async () => {
      const store = await stores.open();
      const given = await beginRun(store, "given up");
      const live = await beginRun(store, "alive");
      await given.close();
      const recovered = (await Promise.all(Array.from({ length: 10 }, () => store.recover()))).flat();
      expect(recovered).toEqual([{ sessionId: "given up", runId: expect.any(String), reason: "lease_over" }]);
      expect((await readAll(store.read("given up"))).map(({ type }) => type)).toEqual(["run.started", "final"]);
      expect((await live.append([delta("still here")]))[0]?.seq).toBe(2);
      expect(await store.recover()).toEqual([]);
    });
  });
}
