import pg from "pg";
import { afterEach, beforeAll, expect, it } from "vitest";
import { StoreError } from "../../errors.ts";
import { beginOf } from "../begin-session.ts";
import type { ByteStreams } from "../byte-streams.ts";
import type { SessionStore } from "../session-store.ts";
import { openPostgresStore } from "./index.ts";
import type { OpenPostgresStoreOptions } from "./index.ts";
import { PostgresDatabase } from "./postgres-database.ts";
import { shareServer, startServer } from "./postgres-server.test.support.ts";
import { parsePostgresUrl } from "./postgres-target.ts";
import { TcpProxy } from "./tcp-proxy.test.support.ts";

const RUN_STARTED = { type: "run.started", kind: "task", task: 1 } as const;
const delta = (text: string): { type: "text.delta"; text: string } => ({ type: "text.delta", text });

const toClose: { close(): Promise<void> }[] = [];
let url = "";
let count = 0;

beforeAll(async () => {
  url = await shareServer();
});
afterEach(async () => {
  for (const one of toClose.splice(0).reverse()) await one.close();
});

async function open(at: string, options: OpenPostgresStoreOptions = {}): Promise<SessionStore> {
  const store = await openPostgresStore(at, { schema: `failure_${process.pid}_${count}`, ...options });
  toClose.push(store);
  return store;
}

async function openThroughProxy(options: OpenPostgresStoreOptions = {}): Promise<[SessionStore, TcpProxy]> {
  count += 1;
  const { proxy, url: through } = await TcpProxy.open(url);
  toClose.push(proxy);
  return [await open(through, options), proxy];
}

async function readLines(store: SessionStore, id: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const event of store.read(id)) lines.push(JSON.stringify(event));
  return lines;
}

/** A statement of the database itself, past the store. */
async function ask(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql);
  await client.end();
}

/** Eight writers append round after round. @returns the lines that were acknowledged, by session */
async function appendRounds(
  store: SessionStore,
  rounds: number,
  onRound: (round: number) => void,
): Promise<Map<string, string[]>> {
  const acknowledged = new Map<string, string[]>();
  await Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const id = `s-${index}`;
      await store.create({ id, kind: "task" });
      const writer = await store.openWriter(id);
      const lines: string[] = [];
      acknowledged.set(id, lines);
      for (let round = 0; round < rounds; round++) {
        if (index === 0) onRound(round);
        const appends = [writer.append([RUN_STARTED]), writer.append([delta(`${round}`), delta("x".repeat(3000))])];
        for (const append of appends) lines.push(...(await append).map((event) => JSON.stringify(event)));
      }
    }),
  );
  return acknowledged;
}

it("L8, L4: an append whose answer is lost is looked for, and stored exactly once", async () => {
  const [store, proxy] = await openThroughProxy();
  const acknowledged = await appendRounds(store, 40, (round) => {
    if (round % 4 === 1) proxy.answersToLose += 1;
  });
  expect(proxy.lost).toBeGreaterThanOrEqual(8);
  for (const [id, lines] of acknowledged) expect(await readLines(store, id)).toEqual(lines);
});

it("L8, L4: an append that is lost on its way is sent again, and stored exactly once", async () => {
  const [store, proxy] = await openThroughProxy();
  const acknowledged = await appendRounds(store, 40, (round) => {
    if (round % 4 === 1) proxy.requestsToLose += 1;
    if (round % 16 === 7) proxy.cutAll();
  });
  expect(proxy.lost).toBeGreaterThanOrEqual(8);
  for (const [id, lines] of acknowledged) expect(await readLines(store, id)).toEqual(lines);
});

it("L8, L4: a session whose making is lost, or its answer, is there exactly once with its first events", async () => {
  const [store, proxy] = await openThroughProxy();
  const begin = beginOf(store) as NonNullable<ReturnType<typeof beginOf>>;
  await store.create({ id: "parent", kind: "loop" });
  const under = await store.openWriter("parent");
  const parent = (await under.append([RUN_STARTED])).map((event) => JSON.stringify(event));
  for (let round = 0; round < 24; round++) {
    if (round % 3 === 1) proxy.answersToLose += 1;
    if (round % 3 === 2) proxy.requestsToLose += 1;
    const id = `child-${round}`;
    const first = { bodies: [RUN_STARTED, delta("a")], runId: `run_${round}` };
    const appended = under.append([delta(`${round}`)]);
    const [begun, alone] = await Promise.all([
      begin({ id, kind: "task", parentId: "parent" }, { ...first, under }),
      begin({ id: `alone-${round}`, kind: "task" }, first),
    ]);
    parent.push(...(await appended).map((event) => JSON.stringify(event)));
    await expect(begin({ id, kind: "task" }, first)).rejects.toMatchObject({ code: "session_exists" });
    for (const { session, writer, events } of [begun, alone]) {
      const last = await writer.append([delta("b")]);
      await writer.close();
      expect(await readLines(store, session.id)).toEqual([...events, ...last].map((event) => JSON.stringify(event)));
      expect((await store.get(session.id))?.writer).toBeUndefined();
    }
  }
  expect(await readLines(store, "parent")).toEqual(parent);
  expect(proxy.lost).toBeGreaterThanOrEqual(8);
});

it("L8, L4: what is appended to a plain stream is there exactly once, whatever becomes of the connection", async () => {
  const [store, proxy] = await openThroughProxy();
  const streams = store.byteStreams as ByteStreams;
  proxy.watched = ["<<"];
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  proxy.answersToLose = 1;
  const made = await streams.create({ path: "a", contentType: "text/plain", closed: false, bytes: bytes("<<new>>") });
  expect(made.is).toBe("created");
  const sent = ["<<new>>"];
  for (let seq = 0; seq < 24; seq++) {
    if (seq % 3 === 1) proxy.answersToLose += 1;
    if (seq % 3 === 2) proxy.requestsToLose += 1;
    const text = `<<${seq}>>`;
    sent.push(text);
    const producer = seq % 2 === 0 ? {} : { producer: { id: "p", epoch: 0, seq: (seq - 1) / 2 } };
    const append = { contentType: "text/plain", bytes: bytes(text), close: seq === 23, ...producer };
    expect(await streams.append("a", append)).toMatchObject({ is: "appended", state: { closed: seq === 23 } });
  }
  expect(proxy.lost).toBe(17);
  const page = await streams.read("a", { from: 0, limitBytes: 1_000 });
  if (typeof page === "string") throw new Error(`the stream is ${page}`);
  expect(Buffer.concat(page.chunks).toString()).toBe(sent.join(""));
  expect(page.state.closed).toBe(true);
});

it("L5: a session that was made by a statement without an answer, and taken over since, is a fencing and no id that was taken", async () => {
  const [store, proxy] = await openThroughProxy({ retryMs: 60_000 });
  const begin = beginOf(store) as NonNullable<ReturnType<typeof beginOf>>;
  const other = await open(url);
  await store.create({ id: "parent", kind: "loop" });
  const under = await store.openWriter("parent");
  await under.append([RUN_STARTED]);
  proxy.stallsAfterAnswer = true;
  proxy.answersToLose = 1;
  const appended = under.append([delta("a")]);
  const begun = begin({ id: "child", kind: "task" }, { bodies: [RUN_STARTED], runId: "run_1", under });
  // The statement has taken effect, and nothing else reaches the server until others have taken both sessions over.
  while (!proxy.isStalled) await new Promise((resolve) => setTimeout(resolve, 5));
  await other.openWriter("child");
  await other.openWriter("parent");
  proxy.isStalled = false;
  proxy.cutAll();
  await appended;
  await expect(begun).rejects.toMatchObject({ code: "fenced" });
});

it("does without kept plans where a pooler leads to connections that do not know them, or know other ones", async () => {
  const openDatabase = (): PostgresDatabase => {
    const options = { maxConnections: 5, statementTimeoutMs: 10_000, retryMs: 1_000 };
    const database = new PostgresDatabase(parsePostgresUrl(url), options);
    toClose.push(database);
    return database;
  };
  const ask = (database: PostgresDatabase): Promise<unknown> =>
    database.query("append", "SELECT 7", [], { keepAs: "seven" });
  const database = openDatabase();
  expect(await ask(database)).toEqual([[7]]);
  const [[name] = []] = await database.query("append", "SELECT name FROM pg_prepared_statements");
  await database.query("append", "DEALLOCATE ALL");
  expect(await Promise.all([ask(database), ask(database)])).toEqual([[[7]], [[7]]]);
  expect(await ask(database)).toEqual([[7]]);
  const other = openDatabase();
  await other.query("append", `PREPARE ${String(name)} AS SELECT 8`);
  expect(await ask(other)).toEqual([[7]]);
});

it("two that begin with one id in one statement are one session, and the other is told", async () => {
  const [store] = await openThroughProxy();
  const begin = beginOf(store) as NonNullable<ReturnType<typeof beginOf>>;
  const results = await Promise.allSettled(
    ["first", "second", "third"].map((text, index) =>
      begin({ id: "one", kind: "task" }, { bodies: [RUN_STARTED, delta(text)], runId: `run_${index}` }),
    ),
  );
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const result of results)
    if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "session_exists" });
  expect(await readLines(store, "one")).toHaveLength(2);
});

it("L8: a connection that stands still is given up, and the append goes on another way", async () => {
  const [store, proxy] = await openThroughProxy({ statementTimeoutMs: 300 });
  await store.create({ id: "a", kind: "task" });
  const writer = await store.openWriter("a");
  await writer.append([RUN_STARTED]);
  proxy.isStalled = true;
  setTimeout(() => (proxy.isStalled = false), 400);
  await writer.append([delta("one")]);
  expect(await readLines(store, "a")).toHaveLength(2);
});

it("L8: a server that is gone too long rejects the append with StoreError, the store then refuses, and a new one goes on", async () => {
  const [store, proxy] = await openThroughProxy({ retryMs: 300 });
  await store.create({ id: "a", kind: "task" });
  const writer = await store.openWriter("a");
  const stored = (await writer.append([RUN_STARTED])).map((event) => JSON.stringify(event));
  await proxy.close();
  toClose.splice(toClose.indexOf(proxy), 1);
  await expect(writer.append([delta("lost")])).rejects.toMatchObject({ name: "StoreError", code: "store_failed" });
  expect(writer.lost?.reason).toBeInstanceOf(StoreError);
  await expect(writer.append([delta("later")])).rejects.toMatchObject({ code: "store_closed" });
  await expect(store.create({ id: "b", kind: "task" })).rejects.toMatchObject({ code: "store_closed" });
  const again = await open(url);
  expect(await readLines(again, "a")).toEqual(stored);
  await using next = await again.openWriter("a");
  expect(await next.append([RUN_STARTED])).toMatchObject([{ seq: 3 }]);
});

it("L8: a disk that is full rejects the append with store_full, and nothing of it is stored", async () => {
  count += 1;
  const store = await open(url);
  const schema = `failure_${process.pid}_${count}`;
  await store.create({ id: "a", kind: "task" });
  const writer = await store.openWriter("a");
  await writer.append([RUN_STARTED]);
  // What Postgres answers when a file of a table cannot grow.
  await ask(`
    CREATE FUNCTION ${schema}.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON ${schema}.segments FOR EACH ROW EXECUTE FUNCTION ${schema}.full()`);
  await expect(writer.append([delta("lost")])).rejects.toMatchObject({ code: "store_full" });
  await expect(writer.append([delta("later")])).rejects.toMatchObject({ code: "store_closed" });
  await ask(`DROP TRIGGER full_disk ON ${schema}.segments`);
  expect(await readLines(store, "a")).toHaveLength(1);
});

it("L8: a database that has become read-only rejects with store_read_only", async () => {
  count += 1;
  const server = await startServer();
  toClose.push({ close: () => server.stop() });
  const store = await open(server.url);
  await store.create({ id: "a", kind: "task" });
  const writer = await store.openWriter("a");
  await writer.append([RUN_STARTED]);
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query("ALTER DATABASE postgres SET default_transaction_read_only = on");
  await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'skein'");
  await client.end();
  await expect(writer.append([delta("lost")])).rejects.toMatchObject({ code: "store_read_only" });
  expect(await readLines(store, "a")).toHaveLength(1);
});

it.each(["SIGINT", "SIGQUIT", "SIGKILL"] as const)(
  "L8, L4: a server that is restarted in the middle (%s) loses no append and stores none twice",
  async (how) => {
    count += 1;
    const server = await startServer();
    toClose.push({ close: () => server.stop() });
    const store = await open(server.url);
    let restarted: Promise<void> | undefined;
    const acknowledged = await appendRounds(store, 150, (round) => {
      if (round === 20) restarted = server.restart(how);
    });
    await restarted;
    for (const [id, lines] of acknowledged) expect(await readLines(store, id)).toEqual(lines);
  },
);

it("gives a message without the password", async () => {
  const wrong = url.replace("skein:skein@", "skein:sesame@");
  const failure = await openPostgresStore(wrong).catch((error: unknown) => error as Error);
  expect(failure).toMatchObject({ code: "store_failed" });
  expect(JSON.stringify([(failure as Error).message, String(failure)])).not.toContain("sesame");
});
