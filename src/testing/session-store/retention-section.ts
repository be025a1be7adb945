import { describe, expect, it } from "vitest";
import type { SessionStoreKitOptions } from "./store-under-test.ts";
import { FINAL, StoreUnderTest, beginRun, delta, readAll } from "./store-under-test.ts";

/** Deleting, pruning, and the blobs beside the log. */
export function testRetention(kit: SessionStoreKitOptions): void {
  describe("retention", () => {
    const stores = new StoreUnderTest(kit);

    it("deletes a session and all of its events, and its id is free again", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      await writer.append([FINAL]);
      await writer.close();
      await store.delete("session");
      expect(await store.get("session")).toBeUndefined();
      await store.create({ id: "session", kind: "task" });
      expect(await readAll(store.read("session"))).toEqual([]);
    });

    it("does not delete a session that is being written", async () => {
      const store = await stores.open();
      await beginRun(store);
      await expect(store.delete("session")).rejects.toMatchObject({ code: "session_busy" });
      expect((await store.get("session"))?.lastSeq).toBe(1);
    });

    it("keeps a session while forks or children refer to it", async () => {
      const store = await stores.open();
      const writer = await beginRun(store, "parent");
      await writer.append([FINAL]);
      await writer.close();
      const fork = await store.fork("parent", { atSeq: 2 });
      await store.create({ id: "child", kind: "task", parentId: "parent" });
      await expect(store.delete("parent")).rejects.toMatchObject({ code: "session_in_use" });
      await store.delete(fork.id);
      await expect(store.delete("parent")).rejects.toMatchObject({ code: "session_in_use" });
      await store.delete("child");
      await store.delete("parent");
      expect(await store.list()).toEqual([]);
    });

    it("prunes what the filter names and nothing refers to, and says what stays and why", async () => {
      const store = await stores.open();
      for (const id of ["done", "writing", "origin", "other"]) {
        const writer = await beginRun(store, id);
        await writer.append([delta("x"), FINAL]);
        if (id !== "writing") await writer.close();
      }
      await store.create({ id: "labelled", kind: "task", labels: { keep: "yes" } });
      await store.create({ id: "its child", kind: "child", parentId: "origin" });
      const filter = { kind: "task", status: "completed" } as const;
      const would = await store.prune(filter, { dryRun: true });
      expect(await store.list()).toHaveLength(6);
      expect(would.sessions.map(({ id }) => id).sort()).toEqual(["done", "other"]);
      const did = await store.prune(filter);
      expect(did).toMatchObject({ events: 6, dryRun: false });
      expect({ ...did, dryRun: true }).toEqual(would);
      expect(did.kept.map(({ id }) => id).sort()).toEqual(["origin", "writing"]);
      expect((await store.list()).map(({ id }) => id).sort()).toEqual(["its child", "labelled", "origin", "writing"]);
    });

    it("prunes a parent together with all that refers to it", async () => {
      const store = await stores.open();
      const writer = await beginRun(store, "parent");
      await writer.append([FINAL]);
      await writer.close();
      const child = await store.fork("parent", { atSeq: 2 });
      await store.fork(child.id, { atSeq: 2 });
      const report = await store.prune({});
      expect(report.kept).toEqual([]);
      expect(report).toMatchObject({ events: 2 });
      expect(report.sessions).toHaveLength(3);
      expect(await store.list()).toEqual([]);
    });

    it("prunes by age since the last event", async () => {
      const store = await stores.open();
      await store.create({ id: "young", kind: "task" });
      expect((await store.prune({ olderThanMs: 60_000 })).sessions).toEqual([]);
      expect((await store.prune({ olderThanMs: 0 })).sessions).toEqual([{ id: "young", events: 0 }]);
    });

    it("stores the same bytes once, under the hash of their content", async () => {
      const store = await stores.open();
      const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index % 251);
      const ref = await store.putBlob(bytes);
      expect(ref).toEqual({ digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/), size: 100_000 });
      expect(await store.putBlob(bytes.slice())).toEqual(ref);
      expect(Buffer.from(await store.getBlob(ref)).equals(Buffer.from(bytes))).toBe(true);
      expect(await store.getBlob(await store.putBlob(new Uint8Array(0)))).toHaveLength(0);
    });

    it("keeps a blob of many megabytes, also where it is put twice at once", async () => {
      const store = await stores.open();
      const bytes = new Uint8Array(Buffer.alloc(9_000_001, "a blob that comes in parts. "));
      const [ref, again] = await Promise.all([store.putBlob(bytes), store.putBlob(bytes.slice())]);
      expect(again).toEqual(ref);
      expect(Buffer.from(await store.getBlob(ref)).equals(Buffer.from(bytes))).toBe(true);
    });

    it("says so when a blob is not there", async () => {
      const store = await stores.open();
      const digest = `sha256:${"0".repeat(64)}`;
      await expect(store.getBlob({ digest, size: 1 })).rejects.toMatchObject({ code: "store_failed" });
      await expect(store.getBlob({ digest: "../x", size: 1 })).rejects.toMatchObject({ code: "invalid_option" });
    });

    it("drops a blob with the last session that refers to it, also a fork's", async () => {
      const store = await stores.open();
      const blob = await store.putBlob(new TextEncoder().encode("a large output"));
      for (const id of ["first", "second"]) {
        const writer = await beginRun(store, id);
        await writer.append([{ type: "artifact.created", name: "out.txt", blob }, FINAL]);
        await writer.close();
      }
      const fork = await store.fork("second", { atSeq: 3 });
      await store.delete("first");
      expect(await store.getBlob(blob)).toHaveLength(14);
      await store.delete(fork.id);
      expect(await store.getBlob(blob)).toHaveLength(14);
      await store.delete("second");
      await expect(store.getBlob(blob)).rejects.toMatchObject({ code: "store_failed" });
    });
  });
}
