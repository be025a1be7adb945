import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DurableStream } from "@durable-streams/client";
import { DurableStreamTestServer } from "@durable-streams/server";
import { getSQLiteEventStore } from "@event-driven-io/emmett-sqlite";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite";
import sqlite3 from "sqlite3";
import { streamTask } from "../../dist/index.js";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";

const STEPS = Number(process.env.SKEIN_BENCH_STEPS ?? 1000);
const ROUNDS = 3;
const text = "The quick brown fox jumps over the lazy dog. ".repeat(10).slice(0, 300);
const folder = mkdtempSync(join(process.env.SKEIN_BENCH_FOLDER ?? tmpdir(), "skein-peers-"));

const bytesUnder = (path) =>
  statSync(path).isDirectory()
    ? readdirSync(path).reduce((sum, name) => sum + bytesUnder(join(path, name)), 0)
    : statSync(path).size;

/** Skein's own way: a backend that yields the next step when the one before it was delivered. */
async function skein(path, clock) {
  const store = await openSqliteStore(path);
  let isDelivered;
  const backend = {
    kind: "bench",
    async *stream() {
      for (let step = 0; step < STEPS; step++) {
        const delivered = new Promise((resolve) => (isDelivered = resolve));
        yield { type: "custom", name: "step", data: { step, text } };
        await delivered;
      }
    },
  };
  clock.start();
  for await (const event of streamTask({ store, backend, task: "bench" })) if (event.type === "custom") isDelivered();
  clock.stop();
  await store.close();
}

/** One node that goes round, its state one message longer each time; each step is a checkpoint. */
async function langGraph(path, clock) {
  const State = Annotation.Root({
    step: Annotation({ reducer: (_, next) => next, default: () => 0 }),
    messages: Annotation({ reducer: (all, more) => [...all, ...more], default: () => [] }),
  });
  const checkpointer = SqliteSaver.fromConnString(path);
  const graph = new StateGraph(State)
    .addNode("work", ({ step }) => ({ step: step + 1, messages: [{ step, text }] }))
    .addEdge(START, "work")
    .addConditionalEdges("work", ({ step }) => (step < STEPS ? "work" : END))
    .compile({ checkpointer });
  clock.start();
  await graph.invoke(
    { step: 0 },
    { configurable: { thread_id: "bench" }, recursionLimit: STEPS * 2, durability: "sync" },
  );
  clock.stop();
  checkpointer.db.close();
}

async function durableStreams(path, clock) {
  const server = new DurableStreamTestServer({ port: 0, dataDir: path });
  await server.start();
  const stream = await DurableStream.create({ url: `${server.url}/bench`, contentType: "application/json" });
  clock.start();
  for (let step = 0; step < STEPS; step++) await stream.append(JSON.stringify({ type: "step", step, text }));
  clock.stop();
  await server.stop();
}

/** An event store of event sourcing, as it comes: it opens the file anew for each call. */
async function emmett(path, clock) {
  const store = getSQLiteEventStore({ fileName: path });
  // The tables are made by the first call.
  await store.readStream("bench");
  clock.start();
  for (let step = 0; step < STEPS; step++)
    await store.appendToStream("bench", [{ type: "step", data: { step, text } }]);
  clock.stop();
  // Its connections close later than its calls end: with another one the file comes to its size.
  const database = new sqlite3.Database(path);
  await new Promise((resolve, reject) =>
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)", (error) => (error === null ? resolve() : reject(error))),
  );
  await new Promise((resolve) => database.close(resolve));
}

/** What one writes oneself: one row an event, one transaction each, with the most used asynchronous driver. */
async function sqliteRows(path, clock) {
  const database = new sqlite3.Database(path);
  const run = (sql, parameters = []) =>
    new Promise((resolve, reject) =>
      database.run(sql, parameters, (error) => (error === null ? resolve() : reject(error))),
    );
  await run("PRAGMA journal_mode = WAL");
  await run("PRAGMA synchronous = FULL");
  await run("CREATE TABLE events (session TEXT, seq INTEGER, event TEXT, PRIMARY KEY (session, seq))");
  clock.start();
  for (let step = 0; step < STEPS; step++)
    await run("INSERT INTO events VALUES (?, ?, ?)", ["bench", step, JSON.stringify({ type: "step", step, text })]);
  clock.stop();
  await new Promise((resolve) => database.close(resolve));
}

const peers = {
  "Skein, streamTask over SQLite": skein,
  "LangGraph.js, SQLite checkpointer": langGraph,
  "Durable Streams reference server": durableStreams,
  "Emmett, SQLite event store": emmett,
  "sqlite3, one row an event": sqliteRows,
};

console.log(
  `${STEPS} steps of ${text.length} bytes, each stored before the next, medians of ${ROUNDS} rounds in turn\n`,
);
console.log("| | time a step | of Skein's | bytes on disk a step | of Skein's |\n| --- | --- | --- | --- | --- |");
/** Opening and closing are not the steps' own, for nobody. */
const clockInto = (times) => {
  let startedAt = 0;
  return {
    start: () => (startedAt = performance.now()),
    stop: () => times.push((performance.now() - startedAt) / STEPS),
  };
};

const measured = new Map(Object.keys(peers).map((name) => [name, { ms: [], bytes: 0, failure: "" }]));
// In turns, so that what else the machine does falls on all of them.
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, write] of Object.entries(peers)) {
    const path = join(folder, `${round}-${name.replaceAll(/\W+/g, "-")}`);
    const result = measured.get(name);
    try {
      globalThis.gc?.();
      await write(path, clockInto(result.ms));
      result.bytes =
        ["", "-wal", "-shm"].reduce(
          (sum, end) =>
            sum + (statSync(path + end, { throwIfNoEntry: false }) === undefined ? 0 : bytesUnder(path + end)),
          0,
        ) / STEPS;
    } catch (error) {
      result.failure = String(error);
    }
  }
}
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const [ours] = measured.values();
for (const [name, { ms, bytes, failure }] of measured) {
  if (failure === "")
    console.log(
      `| ${name} | ${median(ms).toFixed(3)} ms | ${(median(ms) / median(ours.ms)).toFixed(1)} | ${Math.round(bytes)} | ${(bytes / ours.bytes).toFixed(1)} |`,
    );
  else console.log(`| ${name} | failed: ${failure} | | | |`);
}
rmSync(folder, { recursive: true, force: true });
