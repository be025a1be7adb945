import { parentPort, workerData } from "node:worker_threads";
import pg from "pg";
import { RENEWED, SEEN, toMsSince } from "./lease-keeper.ts";
import type { LeaseEntry, LeaseKeeperData, ToLeaseKeeper } from "./lease-keeper.ts";

/** The thread of a `LeaseKeeper`. It says nothing: who has lost a lease hears of it where it matters, from the database. */
const { url, sql, everyMs, applicationName, mostBusyMs, clock } = workerData as LeaseKeeperData;

const MOST_CONNECT_MS = 3_000;

const entries = new Map<string, LeaseEntry>();
let client: pg.Client | undefined;
let isRenewing = false;

async function connect(): Promise<pg.Client> {
  const made = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: MOST_CONNECT_MS,
    query_timeout: MOST_CONNECT_MS * 2,
    keepAlive: true,
    application_name: applicationName,
  });
  const forget = (): void => {
    if (client === made) client = undefined;
  };
  made.on("error", forget);
  made.on("end", forget);
  await made.connect();
  client = made;
  return made;
}

async function renew(): Promise<void> {
  if (isRenewing || entries.size === 0) return;
  if (toMsSince(Atomics.load(clock, SEEN)) > mostBusyMs) return;
  isRenewing = true;
  const used = client;
  try {
    const connection = used ?? (await connect());
    const columns = [...(entries.values().next().value ?? [])].map((_value, at) =>
      Array.from(entries.values(), (entry) => entry[at]),
    );
    const sentAt = process.hrtime.bigint();
    const { rows } = await connection.query({ text: sql, values: columns, rowMode: "array" });
    if (rows.length > 0) Atomics.store(clock, RENEWED, sentAt);
  } catch {
    // Whatever it was, the next turn has a connection that is surely well.
    const broken = client;
    client = undefined;
    void broken?.end().catch(() => {});
  } finally {
    isRenewing = false;
  }
}

parentPort?.on("message", (message: ToLeaseKeeper) => {
  if ("remove" in message) {
    entries.delete(message.remove);
    return;
  }
  entries.set(message.add, message.entry);
  if (client === undefined) void renew();
});
setInterval(() => void renew(), everyMs);
