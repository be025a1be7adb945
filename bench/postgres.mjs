// The Postgres store under load, each figure against its reference in the same run, on the server of the tests with fsync on. (a) is bare inserts
// from unnest into a table of one row an event, through the same batching (256 events a transaction, two in flight). SKEIN_BENCH_EVENTS sets
// how many events (default 100,000).
import { createRequire } from "node:module";
import { openPostgresStore } from "skein/store/postgres";
import { startPostgres } from "./server/start-postgres.mjs";

const pg = createRequire(import.meta.url)("pg");
const EVENTS = Number(process.env.SKEIN_BENCH_EVENTS ?? 100_000);
const SESSIONS = 64;
const TAILS = 500;
const ROUNDS = 3;

const percentile = (values, share) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];

const url = await startPostgres();
const text = "The quick brown fox jumps over the lazy dog. ".repeat(4);
const line = JSON.stringify({
  seq: 50_000,
  at: Date.now(),
  sessionId: "bench-00",
  runId: "run_0123456789abcdef",
  type: "text.delta",
  text,
});

/** (a): 64 producers of one event after the other, gathered into statements, two on their way. */
async function insertBare() {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  await pool.query(
    "CREATE TABLE IF NOT EXISTS bare (session int, seq int, line text, PRIMARY KEY (session, seq)); TRUNCATE bare",
  );
  let waiting = [];
  let inFlight = 0;
  let isScheduled = false;
  const send = async () => {
    isScheduled = false;
    if (inFlight >= 2 || waiting.length === 0) return;
    const batch = waiting;
    waiting = [];
    inFlight += 1;
    await pool.query("INSERT INTO bare SELECT * FROM unnest($1::int[], $2::int[], $3::text[])", [
      batch.map(({ session }) => session),
      batch.map(({ seq }) => seq),
      batch.map(() => line),
    ]);
    inFlight -= 1;
    void send();
    for (const { resolve } of batch) resolve();
  };
  const insert = (session, seq) =>
    new Promise((resolve) => {
      waiting.push({ session, seq, resolve });
      if (isScheduled) return;
      isScheduled = true;
      setImmediate(() => void send());
    });
  const latencies = [];
  const started = performance.now();
  await Promise.all(
    Array.from({ length: SESSIONS }, async (_, session) => {
      for (let seq = 0; seq < EVENTS / SESSIONS; seq += 8) {
        const before = performance.now();
        await Promise.all(Array.from({ length: 8 }, (_each, at) => insert(session, seq + at)));
        latencies.push(performance.now() - before);
      }
    }),
  );
  const rate = EVENTS / ((performance.now() - started) / 1000);
  await pool.end();
  return { rate, p99: percentile(latencies, 0.99) };
}

async function appendThroughStore(round) {
  const store = await openPostgresStore(url, { schema: `append_${round}` });
  const writers = await Promise.all(
    Array.from({ length: SESSIONS }, async (_, index) => {
      await store.create({ id: `s-${index}`, kind: "task" });
      const writer = await store.openWriter(`s-${index}`);
      await writer.append([{ type: "run.started", kind: "task", task: 1 }]);
      return writer;
    }),
  );
  const latencies = [];
  const started = performance.now();
  await Promise.all(
    writers.map(async (writer) => {
      for (let seq = 0; seq < EVENTS / SESSIONS; seq += 8) {
        const before = performance.now();
        await Promise.all(Array.from({ length: 8 }, () => writer.append([{ type: "text.delta", text }])));
        latencies.push(performance.now() - before);
      }
    }),
  );
  const rate = EVENTS / ((performance.now() - started) / 1000);
  const readStarted = performance.now();
  let read = 0;
  for (let index = 0; index < SESSIONS; index++) for await (const _event of store.read(`s-${index}`)) read += 1;
  const replay = read / ((performance.now() - readStarted) / 1000);
  await store.close();
  return { rate, p99: percentile(latencies, 0.99), replay };
}

/** 500 sessions with a tail each in another store; how long an event takes from its append to its reader. */
async function tailMany() {
  const writing = await openPostgresStore(url, { schema: "tails" });
  const reading = await openPostgresStore(url, { schema: "tails", readOnly: true });
  const latencies = [];
  const ids = Array.from({ length: TAILS }, (_, index) => `t-${index}`);
  const writers = [];
  for (const id of ids) {
    await writing.create({ id, kind: "task" });
    writers.push(await writing.openWriter(id));
  }
  await Promise.all(writers.map((writer) => writer.append([{ type: "run.started", kind: "task", task: 1 }])));
  const tails = ids.map(async (id) => {
    for await (const event of reading.tail(id, { until: "final", after: 1 })) latencies.push(Date.now() - event.at);
  });
  const rounds = 20;
  const started = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (const writer of writers) void writer.append([{ type: "text.delta", text }]);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, started + (round + 1) * 500 - performance.now())));
  }
  const final = { type: "final", status: "completed", reason: "completed", usage: {}, durationMs: 0 };
  await Promise.all(writers.map((writer) => writer.append([final])));
  await Promise.all(tails);
  await reading.close();
  await writing.close();
  return {
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    perSecond: (TAILS * rounds) / (rounds / 2),
  };
}

const bare = [];
const ours = [];
for (let round = 0; round < ROUNDS; round++) {
  bare.push(await insertBare());
  ours.push(await appendThroughStore(round));
}
const best = (runs, field) =>
  percentile(
    runs.map((run) => run[field]),
    0.5,
  );
const whole = (value) => Math.round(value).toLocaleString("en-US");
console.log(
  `bare unnest, ${SESSIONS} sessions       ${whole(best(bare, "rate"))} events/s, p99 ${best(bare, "p99").toFixed(1)} ms`,
);
console.log(
  `through the store, ${SESSIONS} sessions ${whole(best(ours, "rate"))} events/s, p99 ${best(ours, "p99").toFixed(1)} ms`,
);
console.log(`ratio                          ${(best(ours, "rate") / best(bare, "rate")).toFixed(2)}`);
console.log(`replay                         ${whole(best(ours, "replay"))} events/s`);
const { p50, p99, perSecond } = await tailMany();
console.log(`tail at ${TAILS} sessions           p50 ${p50} ms, p99 ${p99} ms at ${whole(perSecond)} events/s`);
process.exit(0);
