// The log under load: 300-byte events, durable on the disk, against the same bytes without Skein in the same run:
// (a) a raw file with one fdatasync per 256 events, (b) prepared inserts, one row an event, 256 a transaction, same binding.
// Then reading it back against parsing an NDJSON file, one event alone against one fdatasync, and the bytes on the disk.
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { openSqliteStore } from "skein/store/sqlite";

const Database = createRequire(import.meta.url)("libsql");
const EVENTS = Number(process.env.SKEIN_BENCH_EVENTS ?? 100_000);
const ROUNDS = 3;
const PER_FLUSH = 256;
const folder = mkdtempSync(join(process.env.SKEIN_BENCH_FOLDER ?? tmpdir(), "skein-bench-"));

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const percentile = (values, share) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];

const envelope = JSON.stringify({ seq: 50_000, at: Date.now(), sessionId: "bench-00", runId: "run_0123456789abcdef", type: "text.delta", text: "" });
const text = "The quick brown fox jumps over the lazy dog. ".repeat(10).slice(0, 300 - envelope.length);
const body = { type: "text.delta", text };
const lines = Array.from({ length: EVENTS }, (_, index) => JSON.stringify({ ...JSON.parse(envelope), seq: index + 1, text }));
const sumOfBytes = lines.reduce((sum, line) => sum + line.length, 0);

// ── the references ──

function writeRawFile(path) {
  const file = openSync(path, "w");
  for (let at = 0; at < EVENTS; at += PER_FLUSH) {
    writeSync(file, `${lines.slice(at, at + PER_FLUSH).join("\n")}\n`);
    fdatasyncSync(file);
  }
  closeSync(file);
}

function insertRows(path) {
  const database = new Database(path);
  database.prepare("PRAGMA journal_mode = WAL").all();
  database.exec("PRAGMA synchronous = FULL");
  database.exec("CREATE TABLE events (seq INTEGER PRIMARY KEY, line TEXT NOT NULL)");
  const insert = database.prepare("INSERT INTO events VALUES (?, ?)");
  for (let at = 0; at < EVENTS; at += PER_FLUSH) {
    database.exec("BEGIN");
    for (let index = at; index < Math.min(EVENTS, at + PER_FLUSH); index++) insert.run([index + 1, lines[index]]);
    database.exec("COMMIT");
  }
  database.close();
}

// ── Skein ──

/** Appends one event at a time with `window` of them on their way, as a stream does. @returns when the last one was durable */
async function appendAll(writer, events, window) {
  const onTheirWay = new Array(window);
  for (let index = 0; index < events; index++) {
    const place = index % window;
    await onTheirWay[place];
    onTheirWay[place] = writer.append([body]);
  }
  await Promise.all(onTheirWay);
  return performance.now();
}

async function writeStreams(path, streams) {
  const store = await openSqliteStore(path);
  const writers = [];
  for (let index = 0; index < streams; index++) {
    const id = `bench-${String(index).padStart(2, "0")}`;
    await store.create({ id, kind: "task" });
    const writer = await store.openWriter(id);
    await writer.append([{ type: "run.started", kind: "task", task: "bench" }]);
    writers.push(writer);
  }
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startedAt = performance.now();
  const each = Math.floor(EVENTS / streams);
  const ends = await Promise.all(writers.map((writer) => appendAll(writer, each, streams === 1 ? 512 : 32)));
  const ms = performance.now() - startedAt;
  delay.disable();
  const times = ends.map((end) => end - startedAt);
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  await store.close();
  return { ms, delayP99: delay.percentile(99) / 1e6, slowest: mean / Math.max(...times) };
}

async function replay(path) {
  const store = await openSqliteStore(path, { readOnly: true });
  const startedAt = performance.now();
  let events = 0;
  for await (const event of store.read("bench-00")) events += event.seq > 0 ? 1 : 0;
  const ms = performance.now() - startedAt;
  await store.close();
  return (ms / events) * EVENTS;
}

function parseFile(path) {
  const startedAt = performance.now();
  const events = readFileSync(path, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
  return ((performance.now() - startedAt) / events.length) * EVENTS;
}

async function appendOneByOne(path) {
  const store = await openSqliteStore(path);
  await store.create({ id: "single", kind: "task" });
  const writer = await store.openWriter("single");
  await writer.append([{ type: "run.started", kind: "task", task: "bench" }]);
  const file = openSync(`${path}.raw`, "w");
  const ours = [];
  const raw = [];
  for (let index = 0; index < 1000; index++) {
    let startedAt = performance.now();
    await writer.append([body]);
    ours.push(performance.now() - startedAt);
    startedAt = performance.now();
    writeSync(file, `${lines[0]}\n`);
    fdatasyncSync(file);
    raw.push(performance.now() - startedAt);
  }
  closeSync(file);
  await store.close();
  return { ours: percentile(ours, 0.5), raw: percentile(raw, 0.5), bytes: statSync(path).size };
}

const results = { raw: [], rows: [], one: [], many: [], replay: [], parse: [] };
const delays = { one: [], many: [] };
const slowest = [];
let bytesOne = 0;
let bytesMany = 0;

const timed = (work) => {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
};

for (let round = 0; round < ROUNDS; round++) {
  const at = (name) => join(folder, `${name}-${round}`);
  globalThis.gc?.();
  results.raw.push(timed(() => writeRawFile(at("raw.ndjson"))));
  globalThis.gc?.();
  const one = await writeStreams(at("one.db"), 1);
  globalThis.gc?.();
  results.rows.push(timed(() => insertRows(at("rows.db"))));
  globalThis.gc?.();
  const many = await writeStreams(at("many.db"), 64);
  results.one.push(one.ms);
  results.many.push(many.ms);
  delays.one.push(one.delayP99);
  delays.many.push(many.delayP99);
  slowest.push(many.slowest);
  bytesOne = statSync(at("one.db")).size;
  bytesMany = statSync(at("many.db")).size;
  globalThis.gc?.();
  results.parse.push(parseFile(at("raw.ndjson")));
  globalThis.gc?.();
  results.replay.push(await replay(at("one.db")));
}
const single = await appendOneByOne(join(folder, "single.db"));
rmSync(folder, { recursive: true, force: true });

const perSecond = (ms) => (EVENTS / ms) * 1000;
const [raw, rows, one, many, replayed, parsed] = [results.raw, results.rows, results.one, results.many, results.replay, results.parse].map(median);
const rate = (ms) => Math.round(perSecond(ms)).toLocaleString("en-US").padStart(9);
const ratio = (ours, theirs) => (theirs / ours).toFixed(2).padStart(6);

console.log(`${EVENTS.toLocaleString("en-US")} events of ${lines[0].length} bytes, median of ${ROUNDS} rounds`);
console.log(`(a) raw file, one fdatasync per ${PER_FLUSH}     ${rate(raw)} events/s`);
console.log(`(b) one row an event, ${PER_FLUSH} a transaction ${rate(rows)} events/s`);
console.log(`one writer, pipelined                 ${rate(one)} events/s   ${ratio(one, raw)} of (a)  ${ratio(one, rows)} of (b)   event loop p99 ${median(delays.one).toFixed(1)} ms`);
console.log(`64 writers at once                    ${rate(many)} events/s   ${ratio(many, raw)} of (a)  ${ratio(many, rows)} of (b)   event loop p99 ${median(delays.many).toFixed(1)} ms, mean time of a writer ${median(slowest).toFixed(2)} of the slowest`);
console.log(`NDJSON file read and parsed           ${rate(parsed)} events/s`);
console.log(`replay from SQLite                    ${rate(replayed)} events/s   ${ratio(replayed, parsed)} of the file`);
console.log(`one event alone, p50                  ${single.ours.toFixed(3)} ms          ${(single.ours / single.raw).toFixed(2)} times one fdatasync (${single.raw.toFixed(3)} ms)`);
console.log(`bytes on the disk per event           ${(bytesOne / EVENTS).toFixed(0)} one writer, ${(bytesMany / EVENTS).toFixed(0)} for 64, ${(single.bytes / 1001).toFixed(0)} one by one: ${(bytesOne / sumOfBytes).toFixed(2)}, ${(bytesMany / sumOfBytes).toFixed(2)}, ${(single.bytes / 1001 / lines[0].length).toFixed(2)} of the events' own`);
