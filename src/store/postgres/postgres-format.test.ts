import pg from "pg";
import { afterEach, beforeAll, expect, it } from "vitest";
import type { SessionStore } from "../session-store.ts";
import { openPostgresStore } from "./index.ts";
import { PostgresDatabase } from "./postgres-database.ts";
import { openFormat } from "./postgres-format.ts";
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
  expect(await ask(`SELECT version FROM ${schema}.format`)).toEqual([{ version: 1 }]);
});

it("ten that bring the tables to a newer format at the same moment take each step once", async () => {
  const schema = newSchema();
  await open(schema);
  const steps = [
    { from: 1, sql: "ALTER TABLE {s}.sessions ADD COLUMN later text" },
    { from: 2, sql: "CREATE TABLE {s}.latest (key bigint)" },
  ];
  await Promise.all(Array.from({ length: 10 }, () => openFormat(connect(schema), 3, steps)));
  expect(await ask(`SELECT version FROM ${schema}.format`)).toEqual([{ version: 3 }]);
  await expect(open(schema)).rejects.toMatchObject({ code: "store_newer" });
});

it("a step that fails leaves everything as it was", async () => {
  const schema = newSchema();
  await open(schema);
  const steps = [{ from: 1, sql: "ALTER TABLE {s}.sessions ADD COLUMN later text; SELECT 1/0" }];
  await expect(openFormat(connect(schema), 2, steps)).rejects.toMatchObject({ code: "store_failed" });
  expect(await ask(`SELECT version FROM ${schema}.format`)).toEqual([{ version: 1 }]);
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
