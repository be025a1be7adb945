import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { PostgresDatabase } from "../../dist/store/postgres/postgres-database.js";
import { openPostgresStore } from "../../dist/store/postgres/index.js";
import type { OpenPostgresStoreOptions } from "../../dist/store/postgres/index.js";
import { shareServer } from "../../dist/store/postgres/postgres-server.test.support.js";
import type { SessionStore } from "../../dist/store/session-store.js";
import { testSharing } from "../../dist/testing/session-store/sharing-section.js";
import { testTails } from "../../dist/testing/session-store/tail-section.js";
import { testWriters } from "../../dist/testing/session-store/writer-section.js";
import { startPooler, whyNoPooler } from "./pgbouncer.test.support.ts";
import type { Pooler } from "./pgbouncer.test.support.ts";

const RUN_STARTED = { type: "run.started", kind: "task", task: 1 } as const;
const delta = (text: string) => ({ type: "text.delta", text }) as const;

/** Between two looks of a tail: what nobody may call idle, and where notifications are known to arrive. */
const IDLE_POLL_MS = 250;
const LISTENING_POLL_MS = 2_000;

const schemas = new WeakMap<SessionStore, string>();
let url = "";
let pooler: Pooler;
let count = 0;

async function open(options: OpenPostgresStoreOptions, schema = `pooler_${process.pid}_${count++}`) {
  const store = await openPostgresStore(pooler.url, { ...options, schema });
  schemas.set(store, schema);
  return store;
}

const readLines = async (store: SessionStore, id: string): Promise<string[]> => {
  const lines: string[] = [];
  for await (const event of store.read(id)) lines.push(JSON.stringify(event));
  return lines;
};

describe.skipIf(whyNoPooler !== undefined)(
  `a store behind a pooler in transaction mode${whyNoPooler === undefined ? "" : ` (${whyNoPooler})`}`,
  () => {
    beforeAll(async () => {
      url = await shareServer();
      pooler = await startPooler(url);
    });
    afterAll(() => pooler?.close());
    afterEach(() => void vi.restoreAllMocks());

    describe.each(["through the pooler", "at a direct URL"])("that listens %s", (where) => {
      const listen = (): OpenPostgresStoreOptions => (where === "at a direct URL" ? { listen: url } : {});
      const kit = {
        name: where,
        open: (options = {}) => open({ ...options, ...listen() }),
        reopen: (store: SessionStore, options = {}) => open({ ...options, ...listen() }, schemas.get(store)),
      };
      // What a writer does is the same wherever its readers listen.
      if (where === "through the pooler") testWriters(kit);
      testTails(kit);
      testSharing(kit);

      it("L4: knows whether notifications arrive, and looks as often as that needs", async () => {
        await using store = await open(listen());
        await store.create({ id: "a", kind: "task" });
        const queries = vi.spyOn(PostgresDatabase.prototype, "query");
        const timers = vi.spyOn(globalThis, "setTimeout");
        const pauses = (ms: number): number => timers.mock.calls.filter(([, pause]) => pause === ms).length;
        const stop = new AbortController();
        const tail = (async () => {
          for await (const event of store.tail("a", { signal: stop.signal })) return event.type;
          return undefined;
        })();
        const isHello = ([, , parameters = []]: Parameters<PostgresDatabase["query"]>): boolean =>
          String(parameters[1]).startsWith("hello ");
        const hello = () => queries.mock.results[queries.mock.calls.findIndex(isHello)];
        await vi.waitUntil(() => hello() !== undefined, { timeout: 20_000 });
        await hello()?.value;
        const before = pauses(IDLE_POLL_MS);
        await vi.waitUntil(() => pauses(LISTENING_POLL_MS) > 0 || pauses(IDLE_POLL_MS) > before + 2, {
          timeout: 20_000,
        });
        expect(pauses(LISTENING_POLL_MS) > 0).toBe(where === "at a direct URL");
        await using other = await open({}, schemas.get(store));
        await (await other.openWriter("a")).append([RUN_STARTED]);
        expect(await tail).toBe("run.started");
        stop.abort();
      });
    });

    it("L4: stores what many sessions of several stores append at once, though every plan that is kept is soon elsewhere", async () => {
      const first = await open({});
      const stores = [first, await open({}, schemas.get(first)), await open({}, schemas.get(first))];
      const appended = await Promise.all(
        Array.from({ length: 24 }, async (_, index) => {
          const store = stores[index % stores.length] as SessionStore;
          const id = `s-${index}`;
          await store.create({ id, kind: "task" });
          const writer = await store.openWriter(id);
          const lines = (await writer.append([RUN_STARTED])).map((event) => JSON.stringify(event));
          for (let round = 0; round < 12; round++)
            lines.push(...(await writer.append([delta(`${round}`)])).map((event) => JSON.stringify(event)));
          await writer.close();
          return [id, lines] as const;
        }),
      );
      const [one] = stores as [SessionStore];
      for (const [id, lines] of appended) expect(await readLines(one, id)).toEqual(lines);
      for (const store of stores) await store.close();
    });

    it("L4: gives large events, blobs and plain streams back as they were", async () => {
      await using store = await open({});
      await store.create({ id: "a", kind: "task" });
      const writer = await store.openWriter("a");
      const text = '2026 INFO é "built"\n'.repeat(300_000);
      const events = await writer.append([RUN_STARTED, delta("before"), delta(text), delta("after")]);
      const lines = await readLines(store, "a");
      expect(lines.every((line, index) => line === JSON.stringify(events[index]))).toBe(true);
      expect(lines).toHaveLength(4);
      const bytes = Buffer.alloc(9_000_000, "blob");
      expect(Buffer.from(await store.getBlob(await store.putBlob(bytes))).equals(bytes)).toBe(true);
      const streams = store.byteStreams as NonNullable<SessionStore["byteStreams"]>;
      await streams.create({ path: "p", contentType: "text/plain", closed: false, bytes: Buffer.from("0") });
      await Promise.all(
        [1, 2, 3].map((seq) =>
          streams.append("p", {
            contentType: "text/plain",
            bytes: Buffer.from(`${seq}`),
            close: seq === 3,
            producer: { id: "p", epoch: 0, seq: seq - 1 },
          }),
        ),
      );
      const page = await streams.read("p", { from: 0, limitBytes: 1_000 });
      if (typeof page === "string") throw new Error(`the stream is ${page}`);
      expect(Buffer.concat(page.chunks).toString()).toBe("0123");
      expect(page.state.closed).toBe(true);
    });
  },
);
