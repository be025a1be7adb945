import { describe, expect, it } from "vitest";
import type { SessionStoreKitOptions } from "./store-under-test.ts";
import { FINAL, RUN_STARTED, StoreUnderTest, beginRun, delta } from "./store-under-test.ts";

/** Sessions: making, finding and listing them, and what their events make of them. */
export function testSessions(kit: SessionStoreKitOptions): void {
  describe("sessions", () => {
    const stores = new StoreUnderTest(kit);

    it("says of itself what it is", async () => {
      const store = await stores.open();
      expect(store.capabilities.name).not.toBe("");
      expect(store.capabilities.readOnly).toBe(false);
      expect(store.capabilities.maxEventBytes).toBeGreaterThan(0);
      expect(store.capabilities).toMatchObject(kit.capabilities ?? {});
    });

    it("makes a session that holds nothing yet", async () => {
      const store = await stores.open();
      const made = await store.create({ id: "one", kind: "task", labels: { team: "red" }, parentId: "loop" });
      expect(made).toMatchObject({
        id: "one",
        kind: "task",
        labels: { team: "red" },
        parentId: "loop",
        status: "created",
        lastSeq: 0,
        epoch: 0,
      });
      expect(made.writer).toBeUndefined();
      expect(await store.get("one")).toEqual(made);
    });

    it("gives a session that names nothing an id and the kind of a task", async () => {
      const store = await stores.open();
      const [one, other] = [await store.create({}), await store.create({})];
      expect(one).toMatchObject({ id: expect.any(String), kind: "task", labels: {}, status: "created" });
      expect(other.id).not.toBe(one.id);
      expect(await store.get(one.id)).toEqual(one);
    });

    it("refuses an id that is taken", async () => {
      const store = await stores.open();
      await store.create({ id: "one", kind: "task" });
      await expect(store.create({ id: "one", kind: "task" })).rejects.toMatchObject({ code: "session_exists" });
    });

    it("lets one of ten racing creations win", async () => {
      const store = await stores.open();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 10 }, () => store.create({ id: "one", kind: "task" })),
      );
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    });

    it.each(["", "a\u0000b", "line\nbreak", "\ud800", "x".repeat(257)])("refuses %j as an id", async (id) => {
      const store = await stores.open();
      await expect(store.create({ id, kind: "task" })).rejects.toMatchObject({ code: "invalid_option" });
    });

    it.each(["../../etc", "'; DROP TABLE sessions; --", "ünïcödé 🧶", "__proto__", "a/b?c#d%"])(
      "takes %j as an id like any other",
      async (id) => {
        const store = await stores.open();
        const writer = await beginRun(store, id);
        await writer.append([delta("hello")]);
        expect((await store.get(id))?.lastSeq).toBe(2);
      },
    );

    it("answers undefined for an unknown session, and refuses everything else about it", async () => {
      const store = await stores.open();
      const unknown = { code: "session_unknown" };
      expect(await store.get("nobody")).toBeUndefined();
      await expect(store.openWriter("nobody")).rejects.toMatchObject(unknown);
      await expect(store.read("nobody")[Symbol.asyncIterator]().next()).rejects.toMatchObject(unknown);
      await expect(store.tail("nobody")[Symbol.asyncIterator]().next()).rejects.toMatchObject(unknown);
      await expect(store.fork("nobody", { atSeq: 1 })).rejects.toMatchObject(unknown);
      await expect(store.delete("nobody")).rejects.toMatchObject(unknown);
    });

    it("follows the run: status, open run, backend and token come from the events", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const [event] = await writer.append([{ type: "session.created", backend: "box", resumeToken: "t1" }]);
      const open = { runId: event?.runId, startedSeq: 1 };
      expect(await store.get("session")).toMatchObject({
        status: "running",
        openRun: open,
        lastRunId: event?.runId,
        backend: "box",
        resumeToken: "t1",
      });
      await writer.append([FINAL]);
      const ended = await store.get("session");
      expect(ended).toMatchObject({ status: "completed", lastRunId: event?.runId, resumeToken: "t1", lastSeq: 3 });
      expect(ended?.openRun).toBeUndefined();
      await writer.append([RUN_STARTED, { type: "session.resumed", backend: "box", resumeToken: "t2" }]);
      expect(await store.get("session")).toMatchObject({
        status: "running",
        openRun: { startedSeq: 4 },
        resumeToken: "t2",
      });
    });

    it("gives back a resume token of any characters", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const resumeToken = 'NUL \u0000 quote " lone \ud800 end';
      await writer.append([{ type: "session.created", backend: "box", resumeToken }]);
      expect((await store.get("session"))?.resumeToken).toBe(resumeToken);
    });

    it("lists newest first and by every part of a filter", async () => {
      const store = await stores.open();
      await store.create({ id: "a", kind: "task", labels: { color: "red" } });
      await store.create({ id: "b", kind: "loop", labels: { color: "blue" } });
      await store.create({ id: "c", kind: "task", labels: { color: "red", big: "" }, parentId: "b" });
      const ids = async (filter?: Parameters<typeof store.list>[0]): Promise<string[]> =>
        (await store.list(filter)).map(({ id }) => id);
      const all = await store.list();
      expect(all.map(({ createdAt, id }) => [createdAt, id])).toEqual(
        all.map(({ createdAt, id }) => [createdAt, id] as const).sort((x, y) => y[0] - x[0] || (x[1] < y[1] ? 1 : -1)),
      );
      expect((await ids()).sort()).toEqual(["a", "b", "c"]);
      expect(await ids({ kind: "loop" })).toEqual(["b"]);
      expect(await ids({ parentId: "b" })).toEqual(["c"]);
      expect((await ids({ parentId: null })).sort()).toEqual(["a", "b"]);
      expect((await ids({ label: "color=red" })).sort()).toEqual(["a", "c"]);
      expect(await ids({ label: "big" })).toEqual(["c"]);
      expect(await ids({ label: "color=red", limit: 1 })).toHaveLength(1);
      expect(await ids({ limit: 2 })).toEqual((await ids()).slice(0, 2));
      expect(await ids({ limit: Number.POSITIVE_INFINITY })).toHaveLength(3);
      expect(await ids({ status: "running" })).toEqual([]);
      expect(await ids({ before: all[0]?.createdAt ?? 0 })).not.toContain(all[0]?.id);
      expect(await ids({ before: Date.now() + 1000 })).toHaveLength(3);
    });

    it("rejects with store_closed after it was closed, however often it is closed", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      await Promise.all([store.close(), store.close()]);
      await store.close();
      const closed = { code: "store_closed" };
      await expect(store.create({ id: "x", kind: "task" })).rejects.toMatchObject(closed);
      await expect(store.get("session")).rejects.toMatchObject(closed);
      await expect(store.list()).rejects.toMatchObject(closed);
      await expect(store.openWriter("session")).rejects.toMatchObject(closed);
      await expect(store.recover()).rejects.toMatchObject(closed);
      await expect(store.putBlob(new Uint8Array([1]))).rejects.toMatchObject(closed);
      await expect(writer.append([delta("late")])).rejects.toMatchObject(closed);
      await writer.close();
    });
  });
}
