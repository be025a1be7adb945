import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runConformanceTests } from "@durable-streams/server-conformance-tests";
import { createApp, openServer } from "skein/server";
import { openPostgresStore } from "skein/store/postgres";
import { openSqliteStore } from "skein/store/sqlite";
import { afterAll, describe } from "vitest";
import { shareServer } from "../../dist/store/postgres/postgres-server.test.support.js";

const folder = await mkdtemp(join(tmpdir(), "skein-streams-"));
const stores = {
  SQLite: await openSqliteStore(join(folder, "skein.db"), { durability: "process" }),
  Postgres: await openPostgresStore(await shareServer(), {
    schema: `suite_${process.pid}`,
    durability: "process",
  }),
};

afterAll(() => rm(folder, { recursive: true }));

describe.each(Object.entries(stores))(
  "plain streams pass the published suite of the Durable Streams protocol over %s",
  async (_name, store) => {
    const server = await openServer({ app: createApp({ store, longPollMs: 1_000 }), port: 0 });
    afterAll(async () => {
      await server.close();
      await store.close();
    });
    runConformanceTests({ baseUrl: server.url, longPollTimeoutMs: 1_000 });
  },
);
