import pg from "pg";
import { afterEach, beforeAll, expect, it } from "vitest";
import type { StoredEvent } from "../../event/event.ts";
import type { SessionStore } from "../session-store.ts";
import { openPostgresStore } from "./index.ts";
import { PostgresDatabase } from "./postgres-database.ts";
import { FORMAT_VERSION, openFormat } from "./postgres-format.ts";
import { shareServer } from "./postgres-server.test.support.ts";
import { parsePostgresUrl } from "./postgres-target.ts";

const toClose: { close(): Promise<void> }[] = [];
let url = "";
let count = 0;

beforeAll(async () => {
  url = await shareServer();
});
afterEach(async () => {
  await Promise.all(toClose.splice(0).map((one) => one.close()));
});

function newSchema(): string {
  return `format_${process.pid}_${count++}`;
}

async function ask(sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<Record<string, unknown>>(sql);
  await client.end();
  return rows;
}

async function open(schema: string): Promise<SessionStore> {
  const store = await openPostgresStore(url, { schema });
  toClose.push(store);
  return store;
}

async function readAll(store: SessionStore): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.read("old")) events.push(event);
  return events;
}

function connect(schema: string): PostgresDatabase {
  const options = { maxConnections: 5, statementTimeoutMs: 10_000, retryMs: 10_000 };
  const database = new PostgresDatabase(parsePostgresUrl(url, schema), options);
  toClose.push(database);
  return database;
}

it("ten that open an empty database at the same moment make its tables once", async () => {
  const schema = newSchema();
  const stores = await Promise.all(Array.from({ length: 10 }, () => open(schema)));
  await stores[0]?.create({ id: "a", kind: "task" });
  expect(await stores[9]?.get("a")).toBeDefined();
  expect(await ask(`SELECT version FROM ${schema}.format`)).toEqual([{ version: FORMAT_VERSION }]);
});

it("ten that bring the tables to a newer format at the same moment take each step once", async () => {
  const schema = newSchema();
  await open(schema);
  const steps = [
    { from: FORMAT_VERSION, sql: "ALTER TABLE {s}.sessions ADD COLUMN later text" },
    { from: FORMAT_VERSION + 1, sql: "CREATE TABLE {s}.latest (key bigint)" },
  ];
  await Promise.all(Array.from({ length: 10 }, () => openFormat(connect(schema), FORMAT_VERSION + 2, steps)));
  expect(await ask(`SELECT version FROM ${schema}.format`)).toEqual([{ version: FORMAT_VERSION + 2 }]);
  await expect(open(schema)).rejects.toMatchObject({ code: "store_newer" });
});

it("L4: brings a database of the first format to this one, and reads there what it read before", async () => {
  const schema = newSchema();
  const before = await open(schema);
  const blob = await before.putBlob(new TextEncoder().encode("a result"));
  await before.create({ id: "old", kind: "task" });
  await before.close();
  const line = (seq: number): string =>
    JSON.stringify({ seq, at: 1, sessionId: "old", runId: "run", type: "text.delta", text: `${seq}` });
  // As it was: lines that share nothing, and no parts.
  await ask(`
    DROP TABLE ${schema}.segment_parts, ${schema}.blob_parts;
    ALTER TABLE ${schema}.blobs DROP COLUMN parts;
    UPDATE ${schema}.format SET version = 1;
    INSERT INTO ${schema}.segments (session, first_seq, last_seq, epoch, bytes, lines)
      SELECT key, 1, 3, 0, 300, '${[1, 2, 3].map(line).join("\n")}' FROM ${schema}.sessions;
    UPDATE ${schema}.sessions SET last_seq = 3`);
  await expect(openPostgresStore(url, { schema, readOnly: true })).rejects.toMatchObject({ code: "store_failed" });
  const store = (await Promise.all(Array.from({ length: 10 }, () => open(schema))))[0] as SessionStore;
  expect(await ask(`SELECT version FROM ${schema}.format`)).toEqual([{ version: FORMAT_VERSION }]);
  expect((await readAll(store)).map((event) => JSON.stringify(event))).toEqual([1, 2, 3].map(line));
  expect(new TextDecoder().decode(await store.getBlob(blob))).toBe("a result");
  const text = "é".repeat(3_000_000);
  const writer = await store.openWriter("old");
  await writer.append([
    { type: "run.started", kind: "task", task: 1 },
    { type: "text.delta", text },
  ]);
  const large = (await readAll(store)).at(-1);
  expect((large as { text?: string }).text === text).toBe(true);
}, 120_000);

it("a step that fails leaves everything as it was", async () => {
  const schema = newSchema();
  await open(schema);
  const steps = [{ from: FORMAT_VERSION, sql: "ALTER TABLE {s}.sessions ADD COLUMN later text; SELECT 1/0" }];
  await expect(openFormat(connect(schema), FORMAT_VERSION + 1, steps)).rejects.toMatchObject({ code: "store_failed" });
  expect(await ask(`SELECT version FROM ${schema}.format`)).toEqual([{ version: FORMAT_VERSION }]);
  await open(schema);
});

it("refuses a schema of another program, and leaves it as it is", async () => {
  const schema = newSchema();
  await ask(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.customers (id int)`);
  await expect(open(schema)).rejects.toMatchObject({ code: "store_foreign" });
});

it("makes nothing when it is opened for reading only", async () => {
  const schema = newSchema();
  await expect(openPostgresStore(url, { schema, readOnly: true })).rejects.toMatchObject({ code: "path_not_found" });
  expect(await ask(`SELECT 1 FROM pg_namespace WHERE nspname = '${schema}'`)).toEqual([]);
});

it.each(["mysql://host/db", "not a URL", "postgres://host/db?schema=a;b", "postgres://host/db?schema=pg_x"])(
  "refuses %j as an address",
  async (address) => {
    await expect(openPostgresStore(address)).rejects.toMatchObject({ code: "invalid_option" });
  },
);

it("names a store without its user and password", () => {
  const target = parsePostgresUrl("postgresql://me:secret@db.example:6432/agents?schema=team_a&sslmode=require");
  expect(target).toMatchObject({ schema: "team_a", name: "postgres://db.example:6432/agents, schema team_a" });
  expect(target.url).toContain("sslmode=require");
  expect(target.url).not.toContain("schema=");
});
