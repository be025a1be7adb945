import pg from "pg";
import { expect, it } from "vitest";
import { openPostgresStore } from "../../store/postgres/index.ts";
import { shareServer } from "../../store/postgres/postgres-server.test.support.ts";
import { openFleetQueue } from "./dbos/dbos-queue.ts";
import type { JobContext } from "./worker.ts";
import { runWorker } from "./worker.ts";

const LEASE_MS = 6_000;

/** Resolves when the thread behind a connection has renewed what stands in this schema. */
async function isKept(client: pg.Client, application: string, schema: string): Promise<void> {
  const sql = `SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND state = 'idle' AND query LIKE '%' || $2 || '.%'`;
  while ((await client.query(sql, [application, schema])).rows.length === 0)
    await new Promise((resolve) => setTimeout(resolve, 50));
}

it("L5, L7: a worker whose main thread computes for longer than a lease loses neither its job nor its session", async () => {
  const url = await shareServer();
  const schema = `busy_${process.pid}`;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await using store = await openPostgresStore(url, { schema, leaseMs: LEASE_MS });
  await using queue = await openFleetQueue(url, { schema });
  const stop = new AbortController();
  const compute = async ({ sessionId, store: log, signal }: JobContext): Promise<void> => {
    try {
      await log.create({ id: sessionId, kind: "task" });
      await using writer = await log.openWriter(sessionId);
      await writer.append([{ type: "run.started", kind: "task", task: 1 }]);
      await isKept(client, "skein leases", schema);
      await isKept(client, "skein worker lease", `${schema}_queue`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LEASE_MS + 2_000);
      // Every timer that was late has its turn: whatever would take the lease for lost says so now.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect(signal.aborted).toBe(false);
      await writer.append([{ type: "final", status: "completed", reason: "completed", usage: {}, durationMs: 1 }]);
    } finally {
      stop.abort();
    }
  };
  await queue.add({ id: "job", name: "compute" });
  const end = await runWorker({ queue, store, leaseMs: LEASE_MS, jobs: { compute }, signal: stop.signal });
  expect(end).toEqual({ reason: "drained", left: [] });
  expect((await queue.jobs())[0]).toMatchObject({ id: "job", state: "completed" });
  expect(await store.get("job")).toMatchObject({ status: "completed", lastSeq: 2, epoch: 1 });
  await client.end();
}, 180_000);
