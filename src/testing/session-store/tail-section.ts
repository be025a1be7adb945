import { describe, expect, it } from "vitest";
import type { StoredEvent } from "../../event/event.ts";
import type { SessionStoreKitOptions } from "./store-under-test.ts";
import { FINAL, RUN_STARTED, StoreUnderTest, beginRun, delta, readAll } from "./store-under-test.ts";

/** Takes `count` events of a tail and leaves it. */
async function take(tail: AsyncIterable<StoredEvent>, count: number): Promise<number[]> {
  const seqs: number[] = [];
  for await (const event of tail) if (seqs.push(event.seq) === count) break;
  return seqs;
}

/** Tails: the past, then what comes, for any number of readers. */
export function testTails(kit: SessionStoreKitOptions): void {
  describe("tail", () => {
    const stores = new StoreUnderTest(kit);

    it("L4: goes from the past into the live without gap or double, wherever it starts", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const last = 300;
      const starts = [0, 1, 50, 120, 299];
      const tails = starts.map((after) => take(store.tail("session", { after }), last - after));
      for (let seq = 2; seq <= last; seq += 3)
        await writer.append([delta("a"), delta("b"), delta("c")].slice(0, last - seq + 1));
      for (const [index, after] of starts.entries()) {
        expect(await tails[index]).toEqual(Array.from({ length: last - after }, (_, at) => after + at + 1));
      }
    });

    it("ends after the next final where it was asked to, and goes on over later runs where it was not", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const untilFinal = readAll(store.tail("session", { until: "final" }));
      const onward = take(store.tail("session"), 5);
      await writer.append([delta("x"), FINAL]);
      expect((await untilFinal).map(({ type }) => type)).toEqual(["run.started", "text.delta", "final"]);
      await writer.append([RUN_STARTED, delta("y")]);
      expect(await onward).toEqual([1, 2, 3, 4, 5]);
    });

    it("with `until: final` ends at once where no run is open", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      await writer.append([FINAL]);
      expect(await readAll(store.tail("session", { after: 2, until: "final" }))).toEqual([]);
      expect(await readAll(store.tail("session", { until: "final" }))).toHaveLength(2);
      await store.create({ id: "empty", kind: "task" });
      expect(await readAll(store.tail("empty", { until: "final" }))).toEqual([]);
    });

    it("ends without throwing when its signal fires, before or while it waits", async () => {
      const store = await stores.open();
      await beginRun(store);
      expect(await readAll(store.tail("session", { signal: AbortSignal.abort() }))).toEqual([]);
      const leaving = new AbortController();
      const seen: number[] = [];
      for await (const event of store.tail("session", { signal: leaving.signal })) {
        seen.push(event.seq);
        setImmediate(() => leaving.abort());
      }
      expect(seen).toEqual([1]);
    });

    it("ends when the store is closed", async () => {
      const store = await stores.open();
      await beginRun(store);
      const tail = store.tail("session")[Symbol.asyncIterator]();
      await tail.next();
      const waiting = tail.next();
      await store.close();
      expect(await waiting).toEqual({ done: true, value: undefined });
    });

    it("sees the final with which another writer closes the run", async () => {
      const store = await stores.open();
      await beginRun(store);
      const tail = readAll(store.tail("session", { until: "final" }));
      await store.openWriter("session");
      expect((await tail).at(-1)).toMatchObject({ type: "final", reason: "taken_over" });
    });

    it("serves a hundred readers at their own pace, and the writer waits for none", async () => {
      const store = await stores.open();
      const writer = await beginRun(store);
      const stalled = store.tail("session")[Symbol.asyncIterator]();
      await stalled.next();
      const tails = Array.from({ length: 100 }, () => take(store.tail("session"), 50));
      for (let seq = 2; seq <= 50; seq++) await writer.append([delta("x")]);
      for (const tail of tails) expect((await tail).at(-1)).toBe(50);
      expect((await stalled.next()).value).toMatchObject({ seq: 2 });
      await stalled.return?.();
    });
  });
}
