import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runConformanceTests } from "@durable-streams/server-conformance-tests";
import { createApp, openServer } from "skein/server";
import { openSqliteStore } from "skein/store/sqlite";
import { afterAll, describe } from "vitest";

const folder = await mkdtemp(join(tmpdir(), "skein-streams-"));
const store = await openSqliteStore(join(folder, "skein.db"), { durability: "process" });
const server = await openServer({ app: createApp({ store, longPollMs: 1_000 }), port: 0 });

afterAll(async () => {
  await server.close();
  await store.close();
  await rm(folder, { recursive: true });
});

describe("plain streams pass the published suite of the Durable Streams protocol", () => {
  runConformanceTests({ baseUrl: server.url, longPollTimeoutMs: 1_000 });
});
