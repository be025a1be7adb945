import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DurableStream } from "@durable-streams/client";
import { DurableStreamTestServer } from "@durable-streams/server";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { SqliteSaver } from "@langchain/langgraph-checkpoint-sqlite";
import sqlite3 from "sqlite3";
import { streamTask } from "../../dist/index.js";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";

const STEPS = Number(process.env.SKEIN_BENCH_STEPS ?? 1000);
const text = "The quick brown fox jumps over the lazy dog. ".repeat(10).slice(0, 300);
const folder = mkdtempSync(join(process.env.SKEIN_BENCH_FOLDER ?? tmpdir(), "skein-peers-"));

const bytesUnder = (path) =>
  statSync(path).isDirectory() ? readdirSync(path).reduce((sum, name) => sum + bytesUnder(join(path, name)), 0) : statSync(path).size;

/** Skein's own way: a backend that yields the next step when the one before it was delivered. */
async function skein(path) {
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
  for await (const event of streamTask({ store, backend, task: "bench" })) if (event.type === "custom") isDelivered();
  await store.close();
}

/** One node that goes round, its state one message longer each time; each step is a checkpoint. */
async function langGraph(path) {
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
  await graph.invoke({ step: 0 }, { configurable: { thread_id: "bench" }, recursionLimit: STEPS * 2, durability: "sync" });
  checkpointer.db.close();
}

async function durableStreams(path) {
  const server = new DurableStreamTestServer({ port: 0, dataDir: path });
  await server.start();
  const stream = await DurableStream.create({ url: `${server.url}/bench`, contentType: "application/json" });
  for (let step = 0; step < STEPS; step++) await stream.append(JSON.stringify({ type: "step", step, text }));
  await server.stop();
}

/** What one writes oneself: one row an event, one transaction each, with the most used asynchronous driver. */
async function sqliteRows(path) {
  const database = new sqlite3.Database(path);
  const run = (sql, parameters = []) => new Promise((resolve, reject) => database.run(sql, parameters, (error) => (error === null ? resolve() : reject(error))));
  await run("PRAGMA journal_mode = WAL");
  await run("PRAGMA synchronous = FULL");
  await run("CREATE TABLE events (session TEXT, seq INTEGER, event TEXT, PRIMARY KEY (session, seq))");
  for (let step = 0; step < STEPS; step++) await run("INSERT INTO events VALUES (?, ?, ?)", ["bench", step, JSON.stringify({ type: "step", step, text })]);
  await new Promise((resolve) => database.close(resolve));
}

const peers = { "Skein, streamTask over SQLite": skein, "LangGraph.js, SQLite checkpointer": langGraph, "Durable Streams reference server": durableStreams, "sqlite3, one row an event": sqliteRows };

console.log(`${STEPS} steps of ${text.length} bytes, each stored before the next\n`);
console.log("| | time a step | of Skein's | bytes on disk a step | of Skein's |\n| --- | --- | --- | --- | --- |");
let first;
for (const [name, write] of Object.entries(peers)) {
  const path = join(folder, name.replaceAll(/\W+/g, "-"));
  try {
    globalThis.gc?.();
    const startedAt = performance.now();
    await write(path);
    const ms = (performance.now() - startedAt) / STEPS;
    const bytes = ["", "-wal", "-shm"].reduce((sum, end) => sum + (statSync(path + end, { throwIfNoEntry: false }) === undefined ? 0 : bytesUnder(path + end)), 0) / STEPS;
    first ??= { ms, bytes };
    console.log(`| ${name} | ${ms.toFixed(3)} ms | ${(ms / first.ms).toFixed(1)} | ${Math.round(bytes)} | ${(bytes / first.bytes).toFixed(1)} |`);
  } catch (error) {
    console.log(`| ${name} | failed: ${error.message} | | | |`);
  }
}
rmSync(folder, { recursive: true, force: true });
