import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AppendBody } from "../../store/session-store.ts";
import type { SessionStoreKitOptions } from "./store-under-test.ts";
import { FINAL, RUN_STARTED, StoreUnderTest, beginRun, delta, readAll, readLines } from "./store-under-test.ts";

/** The log: what is appended, in which order, and that every reader gets the same bytes. */
export function testLog(kit: SessionStoreKitOptions): void {
  describe("log", () => {
    const stores = new StoreUnderTest(kit);

    it("L4: numbers events from 1 without gaps, also over appends that are not awaited one by one", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const appends = Array.from({ length: 500 }, (_, index) => writer.append([delta(`${index}`), delta("-")]));
      const events = (await Promise.all(appends)).flat();
      expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 1000 }, (_, index) => index + 2));
      const log = await readAll(store.read("session"));
      expect(log.slice(1)).toEqual(events);
      expect((await store.get("session"))?.lastSeq).toBe(1001);
    });

    it("L1: delivers what is stored, byte for byte", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const delivered = await writer.append([
        delta('naïve 🧶 \u2028 "quoted" \\ \n\t\u0000'),
        { ...delta("turn"), turn: { id: "t", seq: 1, offset: 2 } },
        { type: "custom", name: "n", data: { b: 1, a: [null, true, 1.5e300, "x"], "10": 1, "2": 2 } },
      ]);
      const read = await readAll(store.read("session", { after: 1 }));
      expect(read).toEqual(delivered);
      expect(read.map((event) => JSON.stringify(event))).toEqual(delivered.map((event) => JSON.stringify(event)));
      expect(Object.keys(read[1] ?? {}).slice(0, 6)).toEqual(["seq", "at", "sessionId", "runId", "turn", "type"]);
    });

    it("keeps what was stored when the body that was appended, or an event that was delivered, is changed afterwards", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const data = { list: [1, 2] };
      const [delivered] = await writer.append([{ type: "custom", name: "n", data }]);
      data.list.push(3);
      (delivered as { name?: string }).name = "changed";
      const first = await readAll(store.read("session", { after: 1 }));
      (first[0] as { name?: string }).name = "changed";
      expect(await readAll(store.read("session", { after: 1 }))).toMatchObject([{ name: "n", data: { list: [1, 2] } }]);
    });

    it("gives a run its id: the one that was asked for, else a new one, and keeps it for all that follows", async () => {
      const store = await stores.open();
      await store.create({ id: "session", kind: "task" });
      const writer = await store.openWriter("session");
      const first = await writer.append([RUN_STARTED, delta("a")], { runId: "mine" });
      const later = await writer.append([delta("b"), FINAL, delta("after the final")]);
      const next = await writer.append([RUN_STARTED, delta("c")]);
      expect([...first, ...later].map(({ runId }) => runId)).toEqual(Array(5).fill("mine"));
      expect(next[0]?.runId).not.toBe("mine");
      expect(next[1]?.runId).toBe(next[0]?.runId);
    });

    it("refuses a body before the first run", async () => {
      const store = await stores.open();
      await store.create({ id: "session", kind: "task" });
      const writer = await store.openWriter("session");
      await expect(writer.append([delta("too early")])).rejects.toMatchObject({ code: "run_unknown" });
      expect((await store.get("session"))?.lastSeq).toBe(0);
    });

    it("appends all of several bodies or none", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const bad = { type: "text.delta" } as unknown as AppendBody;
      await expect(writer.append([delta("a"), bad])).rejects.toMatchObject({ code: "event_invalid" });
      const [event] = await writer.append([delta("b")]);
      expect(event?.seq).toBe(2);
      expect(await readAll(store.read("session"))).toHaveLength(2);
    });

    it("takes an append of nothing", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      expect(await writer.append([])).toEqual([]);
    });

    it("reads at most `limit`, after any position, and refuses what is not a position", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      await writer.append(Array.from({ length: 9 }, (_, index) => delta(`${index}`)));
      const seqs = async (options: object): Promise<number[]> =>
        (await readAll(store.read("session", options))).map(({ seq }) => seq);
      expect(await seqs({ after: 3, limit: 2 })).toEqual([4, 5]);
      expect(await seqs({ after: 9 })).toEqual([10]);
      expect(await seqs({ after: 10 })).toEqual([]);
      expect(await seqs({ after: 99 })).toEqual([]);
      expect(await seqs({ limit: 0 })).toEqual([]);
      for (const after of [-1, 1.5, Number.NaN])
        await expect(seqs({ after })).rejects.toMatchObject({ code: "invalid_option" });
    });

    it("L4: resumes after any event without gap or duplicate, byte for byte", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const batches = fc.sample(
        fc.array(fc.string({ unit: "binary", maxLength: 4000 }), { minLength: 1, maxLength: 6 }),
        { numRuns: 40, seed: 7 },
      );
      for (const batch of batches) await writer.append(batch.map(delta));
      const all = await readLines(store.read("session"));
      expect(all.map((line) => (JSON.parse(line) as { seq: number }).seq)).toEqual(all.map((_, index) => index + 1));
      for (let after = 0; after <= all.length; after++) {
        expect([...all.slice(0, after), ...(await readLines(store.read("session", { after })))]).toEqual(all);
      }
    });

    it("L4: keeps the order around events of several megabytes, byte for byte", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const large = "🧶é\n".repeat(900_000);
      const appends = ["a", large, "b", `x${large}`, "c"].map((text) => writer.append([delta(text), delta("-")]));
      const events = (await Promise.all(appends)).flat();
      const read = await readAll(store.read("session", { after: 1 }));
      expect(read.map(({ seq }) => seq)).toEqual(events.map(({ seq }) => seq));
      expect(read.every((event, index) => JSON.stringify(event) === JSON.stringify(events[index]))).toBe(true);
      const closing = writer.append([delta(large), FINAL]);
      await writer.close();
      expect((await closing).at(-1)?.type).toBe("final");
    });

    it("L4: reads back a long log of many small appends and large events", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      for (let round = 0; round < 40; round++) {
        const appends = Array.from({ length: 50 }, (_, index) => writer.append([delta(`${round}/${index}`)]));
        await Promise.all(appends);
        if (round % 10 === 0) await writer.append([delta("x".repeat(300_000))]);
      }
      const all = await readAll(store.read("session"));
      expect(all).toHaveLength(2005);
      expect(all.every((event, index) => event.seq === index + 1)).toBe(true);
    });
  });
}
