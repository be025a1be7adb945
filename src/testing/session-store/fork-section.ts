import { describe, expect, it } from "vitest";
import type { SessionStoreKitOptions } from "./store-under-test.ts";
import { FINAL, RUN_STARTED, StoreUnderTest, beginRun, delta, readAll, readLines } from "./store-under-test.ts";

const CALL = { toolCallId: "c1", toolName: "shell" } as const;

/** Branching a log. */
export function testForks(kit: SessionStoreKitOptions): void {
  describe("fork", () => {
    const stores = new StoreUnderTest(kit);

    it("L4: reads the parent's events with its own id and otherwise the same bytes, and leaves the parent alone", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      await writer.append([delta("a"), FINAL, RUN_STARTED, delta("b"), FINAL]);
      const before = await readLines(store.read("session"));
      const child = await store.fork("session", { atSeq: 3 });
      expect(child).toMatchObject({
        forkedFrom: { sessionId: "session", atSeq: 3 },
        lastSeq: 3,
        status: "completed",
        kind: "task",
      });
      const own = await readLines(store.read(child.id));
      expect(own).toEqual(
        before.slice(0, 3).map((line) => line.replace('"sessionId":"session"', `"sessionId":"${child.id}"`)),
      );
      const childWriter = await store.openWriter(child.id);
      const [event] = await childWriter.append([RUN_STARTED]);
      expect(event?.seq).toBe(4);
      expect(await readLines(store.read("session"))).toEqual(before);
      expect((await readAll(store.read(child.id, { after: 1 }))).map(({ seq }) => seq)).toEqual([2, 3, 4]);
    });

    it("L2: closes a run that was open at the position, as the fork's first own event", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      await writer.append([delta("one "), delta("two "), delta("three")]);
      const child = await store.fork("session", { atSeq: 3 });
      const log = await readAll(store.read(child.id));
      expect(log).toHaveLength(4);
      expect(log.at(-1)).toMatchObject({
        seq: 4,
        type: "final",
        status: "interrupted",
        reason: "forked",
        text: "one two ",
      });
      expect(log.at(-1)?.runId).toBe(log[0]?.runId);
      expect(child).toMatchObject({ status: "interrupted", lastSeq: 4 });
      expect(child.openRun).toBeUndefined();
      expect((await writer.append([delta("four")]))[0]?.seq).toBe(5);
    });

    it("keeps the backend and its token as they were at the position", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      await writer.append([{ type: "session.created", backend: "box", resumeToken: "early" }, FINAL]);
      await writer.append([RUN_STARTED, { type: "session.resumed", backend: "box", resumeToken: "late" }, FINAL]);
      expect(await store.fork("session", { atSeq: 3 })).toMatchObject({ backend: "box", resumeToken: "early" });
    });

    it.each([0, -1, 1.5, 3, Number.NaN])("refuses position %s of a log with two events", async (atSeq) => {
      const store = await stores.open();
      const writer = await beginRun(store);
      await writer.append([FINAL]);
      await expect(store.fork("session", { atSeq })).rejects.toMatchObject({ code: "fork_position" });
      expect(await store.list()).toHaveLength(1);
    });

    it("refuses the inside of an open tool call, and names the nearest clean positions", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      await writer.append([
        delta("a"),
        { type: "tool.started", ...CALL },
        delta("b"),
        { type: "tool.ended", ...CALL, status: "completed" },
      ]);
      for (const atSeq of [3, 4]) {
        await expect(store.fork("session", { atSeq })).rejects.toMatchObject({
          code: "fork_position",
          message: expect.stringMatching(/\b2 before and 5 after\b/),
        });
      }
      expect((await store.fork("session", { atSeq: 5 })).lastSeq).toBe(6);
      expect((await store.fork("session", { atSeq: 2 })).lastSeq).toBe(3);
    });

    it("refuses it also where the call has not ended yet", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      await writer.append([{ type: "tool.started", ...CALL }, delta("b")]);
      await expect(store.fork("session", { atSeq: 3 })).rejects.toMatchObject({
        code: "fork_position",
        message: expect.stringContaining("1 before"),
      });
    });

    it("L4: reads a chain of forks as one log, at every position", async () => {
      const store = await stores.open();
      const root = await beginRun(store, "s0");
      await root.append([delta("root"), FINAL]);
      let id = "s0";
      for (let level = 1; level <= 6; level++) {
        const { lastSeq } = (await store.get(id)) ?? { lastSeq: 0 };
        id = (await store.fork(id, { atSeq: lastSeq })).id;
        const writer = await store.openWriter(id);
        await writer.append([RUN_STARTED, delta(`level ${level}`), FINAL]);
        await writer.close();
      }
      const all = await readLines(store.read(id));
      expect(all).toHaveLength(3 + 6 * 3);
      expect(
        all.every((line, index) => line.startsWith(`{"seq":${index + 1},`) && line.includes(`"sessionId":"${id}"`)),
      ).toBe(true);
      for (let after = 0; after <= all.length; after++)
        expect(await readLines(store.read(id, { after }))).toEqual(all.slice(after));
      const early = await store.fork(id, { atSeq: 2 });
      expect(await readAll(store.read(early.id))).toHaveLength(3);
    });
  });
}
