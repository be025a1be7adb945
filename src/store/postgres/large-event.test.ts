import pg from "pg";
import { afterEach, beforeAll, expect, it, vi } from "vitest";
import type { StoredEvent } from "../../event/event.ts";
import type { SessionStore, SessionWriter } from "../session-store.ts";
import { openPostgresStore } from "./index.ts";
import { shareServer, startServer } from "./postgres-server.test.support.ts";
import { TcpProxy } from "./tcp-proxy.test.support.ts";

// Tens of megabytes, on machines that have other things to do.
vi.setConfig({ testTimeout: 180_000 });

const RUN_STARTED = { type: "run.started", kind: "task", task: 1 } as const;
const delta = (text: string): { type: "text.delta"; text: string } => ({ type: "text.delta", text });

const toClose: { close(): Promise<void> }[] = [];
let url = "";
let schema = "";
let count = 0;

beforeAll(async () => {
  url = await shareServer();
});
afterEach(async () => {
  for (const one of toClose.splice(0).reverse()) await one.close();
});

async function open(at = url): Promise<SessionStore> {
  const store = await openPostgresStore(at, { schema, retryMs: 60_000 });
  toClose.push(store);
  return store;
}

async function begin(store: SessionStore, id: string): Promise<SessionWriter> {
  await store.create({ id, kind: "task" });
  const writer = await store.openWriter(id);
  await writer.append([RUN_STARTED]);
  return writer;
}

/** A statement of the database itself, past the store. */
async function ask(sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const result = await client.query<Record<string, unknown>>(sql);
  await client.end();
  return result.rows;
}

async function readAll(store: SessionStore, id: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.read(id)) events.push(event);
  return events;
}

it("L4: an event of 50 MB comes back as it was, and another session's events go on while it is stored", async () => {
  schema = `large_${process.pid}_${count++}`;
  const store = await open();
  const [large, small] = [await begin(store, "large"), await begin(store, "small")];
  const body = { type: "custom", name: "log", data: '2026 INFO é "built"\n'.repeat(2_300_000) } as const;
  let isStored = false;
  const storing = large.append([delta("before"), body, delta("after")]).then((events) => {
    isStored = true;
    return events;
  });
  let besides = 0;
  while (!isStored) {
    await small.append([delta("small")]);
    besides += 1;
  }
  expect(besides).toBeGreaterThan(1);
  const stored = await storing;
  expect(JSON.stringify(stored[1]).length).toBeGreaterThan(50_000_000);
  const [before, again, after] = (await readAll(store, "large")).slice(1);
  expect([before, after]).toEqual([stored[0], stored[2]]);
  expect(JSON.stringify(again) === JSON.stringify(stored[1])).toBe(true);
  // No statement carried much of it.
  const [most] = await ask(`SELECT max(octet_length(text)) AS part FROM ${schema}.segment_parts`);
  expect((most as { part: number }).part).toBeLessThan(2_000_000);
  await large.close();
  await store.delete("large");
  expect(await ask(`SELECT 1 FROM ${schema}.segment_parts`)).toEqual([]);
});

it("L7: what a writer leaves that dies in the middle of a large event goes with the next one", async () => {
  schema = `large_${process.pid}_${count++}`;
  const first = await open();
  const writer = await begin(first, "a");
  await ask(`
    CREATE FUNCTION ${schema}.stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.part = 3 THEN RAISE EXCEPTION 'stopped'; END IF; RETURN NEW; END $$;
    CREATE TRIGGER stop BEFORE INSERT ON ${schema}.segment_parts FOR EACH ROW EXECUTE FUNCTION ${schema}.stop()`);
  await expect(writer.append([delta("x".repeat(3_000_000))])).rejects.toMatchObject({ code: "store_failed" });
  await ask(`DROP TRIGGER stop ON ${schema}.segment_parts`);
  const countParts = (): Promise<unknown[]> => ask(`SELECT count(*)::integer AS n FROM ${schema}.segment_parts`);
  expect(await countParts()).toEqual([{ n: 3 }]);
  const second = await open();
  const next = await second.openWriter("a");
  expect(await countParts()).toEqual([{ n: 0 }]);
  const text = "y".repeat(2_500_000);
  await next.append([RUN_STARTED, delta(text)]);
  const events = await readAll(second, "a");
  expect(events.map(({ type }) => type)).toEqual(["run.started", "final", "run.started", "text.delta"]);
  expect((events[3] as { text?: string }).text === text).toBe(true);
});

it("L5: a writer that is replaced in the middle of a large event is fenced, and nothing of it is stored", async () => {
  schema = `large_${process.pid}_${count++}`;
  const { proxy, url: through } = await TcpProxy.open(url);
  toClose.push(proxy);
  const writer = await begin(await open(through), "a");
  const other = await open();
  proxy.watched = ["segment_parts"];
  proxy.stallsAfterAnswer = true;
  proxy.answersToLose = 1;
  const appended = writer.append([delta("x".repeat(3_000_000))]);
  // The first part is there, and nothing else reaches the server until another one has taken the session over.
  while (!proxy.isStalled) await new Promise((resolve) => setTimeout(resolve, 5));
  const next = await other.openWriter("a");
  await next.append([RUN_STARTED, delta("y".repeat(2_500_000))]);
  proxy.isStalled = false;
  proxy.cutAll();
  await expect(appended).rejects.toMatchObject({ code: "fenced" });
  const events = await readAll(other, "a");
  expect(events.map(({ type }) => type)).toEqual(["run.started", "final", "run.started", "text.delta"]);
  expect((events[3] as { text?: string }).text).toMatch(/^y{2500000}$/);
});

it("L8, L4: a large event and a large blob are stored once, though connections break under their parts", async () => {
  schema = `large_${process.pid}_${count++}`;
  const { proxy, url: through } = await TcpProxy.open(url);
  toClose.push(proxy);
  const store = await open(through);
  const writer = await begin(store, "a");
  proxy.watched = ["INSERT INTO"];
  const text = "0123456789".repeat(400_000);
  for (const losing of ["answersToLose", "requestsToLose"] as const) {
    proxy[losing] = 3;
    await writer.append([delta(text + losing)]);
    proxy[losing] += 2;
    const bytes = new Uint8Array(Buffer.alloc(9_000_000, losing));
    const blob = await store.putBlob(bytes);
    expect(Buffer.from(await store.getBlob(blob)).equals(Buffer.from(bytes))).toBe(true);
  }
  expect(proxy.lost).toBe(10);
  const texts = (await readAll(store, "a")).slice(1).map((event) => (event as { text?: string }).text);
  expect(texts.map((stored) => stored?.slice(0, text.length) === text)).toEqual([true, true]);
  expect(texts.map((stored) => stored?.slice(text.length))).toEqual(["answersToLose", "requestsToLose"]);
});

it("L1, L4: a server that crashes in the middle of a large event and comes back has kept the parts that it answered for", async () => {
  schema = `large_${process.pid}_${count++}`;
  // By itself this one flushes hardly ever.
  const server = await startServer(["-c", "wal_writer_delay=10s"]);
  toClose.push({ close: () => server.stop() });
  const store = await open(server.url);
  const writer = await begin(store, "a");
  const text = "0123456789".repeat(1_200_000);
  const appended = writer.append([delta("before"), delta(text), delta("after")]);
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  client.on("error", () => {});
  const sql = `SELECT count(*)::integer AS n FROM ${schema}.segment_parts`;
  while (((await client.query<{ n: number }>(sql)).rows[0]?.n ?? 0) < 2) await new Promise(setImmediate);
  await server.restart("SIGKILL");
  await client.end().catch(() => {});
  await appended;
  const texts = (await readAll(store, "a")).slice(1).map((event) => (event as { text?: string }).text);
  expect(texts.map((stored) => stored?.length)).toEqual([6, text.length, 5]);
  expect(texts[1] === text).toBe(true);
});
