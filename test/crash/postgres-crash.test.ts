import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openPostgresStore } from "../../dist/store/postgres/index.js";
import { startServer } from "../../dist/store/postgres/postgres-server.test.support.js";
import type { PostgresServer } from "../../dist/store/postgres/postgres-server.test.support.js";
import { TcpProxy } from "../../dist/store/postgres/tcp-proxy.test.support.js";
import { checkLogs } from "./check-log.ts";
import { StoreProcess } from "./store-process.ts";

const KILLS = Number(process.env["SKEIN_CRASH_KILLS"] ?? 16);
const RESTARTS = ["SIGINT", "SIGQUIT", "SIGKILL"] as const;

let server: PostgresServer;
let proxy: TcpProxy;
let through: string;
beforeAll(async () => {
  server = await startServer();
  ({ proxy, url: through } = await TcpProxy.open(server.url));
});
afterAll(async () => {
  await proxy.close();
  await server.stop();
});

const counts = { restarts: 0, cuts: 0 };

function randomMoment(maxMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * maxMs));
}

/** What happens to server and connections before the writer is killed. */
async function disturb(kill: number): Promise<void> {
  if (kill % 4 === 1) {
    counts.restarts += 1;
    await server.restart(RESTARTS[Math.floor(kill / 4) % RESTARTS.length]);
  } else if (kill % 4 === 2) {
    const before = proxy.lost;
    for (let cut = 0; cut < 3; cut++) {
      proxy.answersToLose += 1;
      proxy.requestsToLose += cut % 2;
      await randomMoment(60);
      if (cut === 1) proxy.cutAll();
    }
    counts.cuts += proxy.lost - before;
  }
}

/** Waits for the last statements of a dead process, which the server may still be at: a run that they begin is closed by the next recovery. */
async function isCarriedOut(): Promise<void> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  const sql = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'skein'";
  while ((await client.query(sql)).rows.length > 0) await randomMoment(20);
  await client.end();
}

/** @returns how many events the writer had printed, and how many of all there are */
async function killOnce(kill: number): Promise<{ printed: number; finals: number }> {
  const schema = `crash_${Math.floor(kill / 8)}`;
  const writer = new StoreProcess("append", `${through}?schema=${schema}`, { prefix: `k${kill}`, leaseMs: 15_000 });
  if (kill % 8 !== 7) await writer.hears("{");
  await randomMoment(250);
  await disturb(kill);
  const heard = writer.lines.length;
  // After a disturbance the writer goes on by itself: the kill comes when it has.
  if (kill % 4 === 1 || kill % 4 === 2) await writer.hears("{", heard);
  await randomMoment(250);
  await writer.kill();
  expect(writer.child.signalCode, "the writer lived until it was killed").toBe("SIGKILL");

  const address = `${server.url}?schema=${schema}`;
  const racing = kill % 4 === 0 ? [new StoreProcess("recover", address), new StoreProcess("recover", address)] : [];
  await Promise.all(racing.map((one) => one.ended()));
  await isCarriedOut();
  const store = await openPostgresStore(server.url, { schema });

  const printed = writer.lines.filter((line) => line.endsWith("}"));
  const { events, finals } = await checkLogs(store, printed, (id) => id.startsWith(`k${kill}-`));
  expect(events).toBeGreaterThanOrEqual(printed.length);
  expect(await store.recover()).toEqual([]);
  await store.close();
  return { printed: printed.length, finals };
}

it(
  `L1, L2, L4, L7, L8: ${KILLS} kills at random moments, with Postgres restarted and connections cut in between, lose nothing that was seen`,
  { timeout: 60_000 + KILLS * 15_000 },
  async () => {
    let printed = 0;
    let finals = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const counted = await killOnce(kill);
      printed += counted.printed;
      finals += counted.finals;
    }
    expect(printed).toBeGreaterThan(KILLS);
    process.stdout.write(
      `kills of writers on Postgres ${KILLS}, restarts of the server ${counts.restarts}, connections cut ${counts.cuts}, events printed ${printed}, lost 0, runs with one final ${finals}\n`,
    );
  },
);
