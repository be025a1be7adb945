// A loop of trivial steps, each durable before the next begins: in DBOS (a workflow of steps) and in Skein, on the same Postgres server in the
// same run, and in Skein on SQLite. A step of Skein's loop is an iteration with a box, a session and a run of its own; beside it stands a run
// that stores one event for each step, which is what a step of a workflow is. Then many at once, as on a worker: workflows and loops a second,
// and what a database is sized by: processor time, write-ahead log, and the room of an event and of an iteration.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DBOS } from "@dbos-inc/dbos-sdk";
import { runLoop, streamTask } from "skein";
import { openPostgresStore } from "skein/store/postgres";
import { openSqliteStore } from "skein/store/sqlite";
import { startPostgres } from "./server/start-postgres.mjs";

const pg = createRequire(import.meta.url)("pg");
const STEPS = Number(process.env.SKEIN_BENCH_STEPS ?? 100);
const ROUNDS = 3;
const AT_ONCE = Number(process.env.SKEIN_BENCH_AT_ONCE ?? 16);
const STEPS_AT_ONCE = 10;

const client = {
  async create() {
    return {
      id: "box",
      async *streamPrompt(prompt) {
        yield { type: "text.delta", text: prompt };
      },
      async delete() {},
    };
  },
};

const loopOf = (store, steps = STEPS) =>
  runLoop({
    task: "step",
    driver: { plan: (task) => [task], decide: (history) => (history.length < steps ? "go on" : "done") },
    agentRun: { profile: { name: "echo" }, taskToPrompt: (task) => task },
    output: { parse: (events) => events.length },
    sandboxClient: client,
    store,
    maxIterations: steps,
  });

async function runOf(store) {
  let isDelivered;
  const backend = {
    kind: "bench",
    async *stream() {
      for (let step = 0; step < STEPS; step++) {
        const delivered = new Promise((resolve) => (isDelivered = resolve));
        yield { type: "custom", name: "step", data: step };
        await delivered;
      }
    },
  };
  for await (const event of streamTask({ store, backend, task: "bench" })) if (event.type === "custom") isDelivered();
}

const folder = mkdtempSync(join(tmpdir(), "skein-durable-"));
const url = await startPostgres();
const admin = new pg.Client({ connectionString: url });
await admin.connect();
const [{ pid }] = (await admin.query("SELECT pg_backend_pid() AS pid")).rows;
const [, , , parent] = readFileSync(`/proc/${pid}/stat`, "utf8").split(" ");

/** The first value that a query answers with, as a number. */
async function ask(sql) {
  const { rows } = await admin.query({ text: sql, rowMode: "array" });
  return Number(rows[0][0]);
}
const askLog = () => ask("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn");

/** Milliseconds of processor time of this process and of the server with all of its own. */
function processorTime() {
  const { user, system } = process.cpuUsage();
  let ticks = 0;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    let fields;
    try {
      fields = readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1].split(" ");
    } catch {
      continue;
    }
    const isServer = name === parent;
    if (isServer || fields[1] === parent) ticks += Number(fields[11]) + Number(fields[12]);
    // Those that have ended.
    if (isServer) ticks += Number(fields[13]) + Number(fields[14]);
  }
  return { client: (user + system) / 1000, server: ticks * 10 };
}

try {
  await admin.query("CREATE DATABASE dbos");
  const dbos = new URL(url);
  dbos.pathname = "/dbos";
  // What DBOS sets by default, here by the connection itself: otherwise it sends it beside the first statement, which the driver warns of.
  dbos.searchParams.set("options", "-c idle_in_transaction_session_timeout=60000");
  DBOS.setConfig({ name: "bench", systemDatabaseUrl: dbos.href, logLevel: "error" });
  const workflow = DBOS.registerWorkflow(
    async (steps) => {
      for (let step = 0; step < steps; step++) await DBOS.runStep(async () => step);
    },
    { name: "steps" },
  );
  await DBOS.launch();
  const remote = await openPostgresStore(url);
  const local = await openSqliteStore(join(folder, "skein.db"));
  const sides = {
    "DBOS, a workflow of steps, Postgres": () => workflow(STEPS),
    "Skein, a run of steps, Postgres": () => runOf(remote),
    "Skein, a loop of iterations, Postgres": () => loopOf(remote),
    "Skein, a run of steps, SQLite": () => runOf(local),
    "Skein, a loop of iterations, SQLite": () => loopOf(local),
  };
  const times = new Map(Object.keys(sides).map((name) => [name, []]));
  // In turns, so that what else the machine does falls on all of them; the first round only warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, work] of Object.entries(sides)) {
      const startedAt = performance.now();
      await work();
      if (round > 0) times.get(name).push((performance.now() - startedAt) / STEPS);
    }
  }
  const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  const [[, theirs]] = times;
  console.log(
    `${STEPS} steps, medians of ${ROUNDS} rounds in turn\n\n| | time a step | of DBOS's |\n| --- | --- | --- |`,
  );
  for (const [name, ms] of times)
    console.log(`| ${name} | ${median(ms).toFixed(2)} ms | ${(median(ms) / median(theirs)).toFixed(2)} |`);
  const crowds = {
    "DBOS, workflows": () => workflow(STEPS_AT_ONCE),
    "Skein, loops": () => loopOf(remote, STEPS_AT_ONCE),
  };
  const rates = new Map(Object.keys(crowds).map((name) => [name, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, work] of Object.entries(crowds)) {
      const log = await askLog();
      const before = processorTime();
      const startedAt = performance.now();
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          for (let each = 0; each < 4; each++) await work();
        }),
      );
      const seconds = (performance.now() - startedAt) / 1000;
      const after = processorTime();
      if (round === 0) continue;
      const each = (side) => (after[side] - before[side]) / (AT_ONCE * 4);
      const written = ((await askLog()) - log) / (AT_ONCE * 4);
      rates.get(name).push({ rate: (AT_ONCE * 4) / seconds, client: each("client"), server: each("server"), written });
    }
  }
  const of = (values, field) => median(values.map((value) => value[field]));
  const [[, workflows]] = rates;
  console.log(
    `\n${AT_ONCE} at once, ${STEPS_AT_ONCE} steps each, Postgres\n\n| | a second | of DBOS's | processor time of each: program | server | write-ahead log of each |\n| --- | --- | --- | --- | --- | --- |`,
  );
  for (const [name, values] of rates) {
    const rate = of(values, "rate");
    const [client, server] = ["client", "server"].map((field) => `${of(values, field).toFixed(1)} ms`);
    console.log(
      `| ${name} | ${rate.toFixed(1)} | ${(rate / of(workflows, "rate")).toFixed(2)} | ${client} | ${server} | ${(of(values, "written") / 1000).toFixed(1)} KB |`,
    );
  }
  const events = await ask("SELECT sum(last_seq) FROM skein.sessions");
  const iterations = await ask("SELECT count(*) FROM skein.sessions WHERE parent_id IS NOT NULL");
  const bytes = await ask("SELECT pg_total_relation_size('skein.sessions') + pg_total_relation_size('skein.segments')");
  const lines = await ask("SELECT sum(bytes) FROM skein.segments");
  console.log(
    `\n${events} events in ${iterations} iterations: of each event ${Math.round(bytes / events)} bytes in the tables, ${Math.round(lines / events)} of them its own; of each iteration ${Math.round(bytes / iterations)} bytes`,
  );
  await remote.close();
  await local.close();
  await DBOS.shutdown();
} finally {
  await admin.end();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
