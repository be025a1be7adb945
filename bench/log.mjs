// The log under load: 300-byte events, durable on the disk, pulled from a backend, stored, then delivered by streamTask; each figure
// against its reference in the same run. (a) is a raw file with one fdatasync per 256 events, (b) prepared inserts, one row an event,
// 256 a transaction, same binding, same durability. SKEIN_BENCH_EVENTS sets how many events (default 100,000).
import { fork } from "node:child_process";
import { once } from "node:events";
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { streamTask } from "skein";
import { openSqliteStore } from "skein/store/sqlite";

const Database = createRequire(import.meta.url)("libsql");
const EVENTS = Number(process.env.SKEIN_BENCH_EVENTS ?? 100_000);
const ROUNDS = 3;
const PER_FLUSH = 256;
const STREAMS = 64;
const folder = mkdtempSync(join(process.env.SKEIN_BENCH_FOLDER ?? tmpdir(), "skein-bench-"));

const percentile = (values, share) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const median = (values) => percentile(values, 0.5);

const envelope = JSON.stringify({
  seq: 50_000,
  at: Date.now(),
  sessionId: "bench-00",
  runId: "run_0123456789abcdef",
  type: "text.delta",
  text: "",
});
const text = "The quick brown fox jumps over the lazy dog. ".repeat(10).slice(0, 300 - envelope.length);
const body = { type: "text.delta", text };
const lines = Array.from({ length: EVENTS }, (_, index) =>
  JSON.stringify({ ...JSON.parse(envelope), seq: index + 1, text }),
);
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

function parseFile(path) {
  const startedAt = performance.now();
  const events = readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  return ((performance.now() - startedAt) / events.length) * EVENTS;
}

/** One small durable write, as nothing can be faster. */
function syncOnce(file) {
  const startedAt = performance.now();
  writeSync(file, `${lines[0]}\n`);
  fdatasyncSync(file);
  return performance.now() - startedAt;
}

// ── Skein ──

/** Yields as fast as it is pulled. */
const yieldAll = (events) => ({
  kind: "bench",
  async *stream() {
    for (let index = 0; index < events; index++) yield body;
  },
});

/** @param onEvent hears of every event that the consumer has */
async function consume(store, sessionId, backend, onEvent = () => {}) {
  for await (const event of streamTask({ store, backend, sessionId, task: "bench" })) onEvent(event);
  return performance.now();
}

async function writeStreams(path, streams) {
  const store = await openSqliteStore(path);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startedAt = performance.now();
  const each = Math.floor(EVENTS / streams);
  const ends = await Promise.all(
    Array.from({ length: streams }, (_, index) =>
      consume(store, `bench-${String(index).padStart(2, "0")}`, yieldAll(each)),
    ),
  );
  const ms = performance.now() - startedAt;
  delay.disable();
  const times = ends.map((end) => end - startedAt);
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  await store.close();
  return { ms, delayP99: delay.percentile(99) / 1e6, slowest: mean / Math.max(...times), bytes: statSync(path).size };
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

/** One event at a time: the next one is yielded when the one before it was delivered. */
async function streamAlone(path, events) {
  let store = await openSqliteStore(path);
  await store.close();
  const empty = statSync(path).size;
  store = await openSqliteStore(path);
  const file = openSync(`${path}.raw`, "w");
  const ours = [];
  const raw = [];
  let yieldedAt = 0;
  let isDelivered;
  const backend = {
    kind: "bench",
    async *stream() {
      for (let index = 0; index < events; index++) {
        const delivered = new Promise((resolve) => (isDelivered = resolve));
        raw.push(syncOnce(file));
        yieldedAt = performance.now();
        yield body;
        await delivered;
      }
    },
  };
  await consume(store, "alone", backend, (event) => {
    if (event.type !== "text.delta") return;
    ours.push(performance.now() - yieldedAt);
    isDelivered();
  });
  closeSync(file);
  await store.close();
  return { ours, raw, bytes: statSync(path).size - empty };
}

/** What an event costs near the beginning of a long session, and at its end. */
async function costOverLength(path, events, window) {
  const store = await openSqliteStore(path);
  const marks = new Map();
  await consume(store, "long", yieldAll(events), ({ seq }) => {
    if (seq === 1000 || seq === 1000 + window || seq === events - window || seq === events)
      marks.set(seq, performance.now());
  });
  await store.close();
  return (marks.get(events) - marks.get(events - window)) / (marks.get(1000 + window) - marks.get(1000));
}

async function tailElsewhere(path, events) {
  const store = await openSqliteStore(path);
  await store.create({ id: "tailed", kind: "task" });
  const writer = await store.openWriter("tailed");
  await writer.append([{ type: "run.started", kind: "task", task: "bench" }]);
  const reader = fork(new URL("log/tail-reader.mjs", import.meta.url), [path]);
  await once(reader, "message");
  const file = openSync(`${path}.raw`, "w");
  const twoSyncs = [];
  const startedAt = performance.now();
  for (let index = 0; index < events;) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const appends = [];
    for (; index < Math.min(events, performance.now() - startedAt); index++) {
      appends.push(writer.append([{ type: "text.delta", text: `${process.hrtime.bigint()} ${text}` }]));
    }
    await Promise.all(appends);
  }
  for (let index = 0; index < 500; index++) twoSyncs.push(syncOnce(file) + syncOnce(file));
  const heard = once(reader, "message");
  await writer.append([{ type: "final", status: "completed", reason: "completed", usage: {}, durationMs: 0 }]);
  const [delays] = await heard;
  closeSync(file);
  await store.close();
  return { delays, twoSyncs };
}

/** The 50 MB are made and stored in a process of their own, so that its memory is nobody else's. */
async function storeLargeEvent(path) {
  const child = fork(new URL("log/large-event.mjs", import.meta.url), [path], { execArgv: ["--expose-gc"] });
  const [measured] = await once(child, "message");
  return measured;
}

const bytesInUse = () => {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

async function measureMemory(path) {
  const store = await openSqliteStore(path);
  const before = bytesInUse();
  const writers = [];
  for (let index = 0; index < 2000; index++) {
    await store.create({ id: `idle-${index}`, kind: "task" });
    writers.push(await store.openWriter(`idle-${index}`));
  }
  const perSession = (bytesInUse() - before) / writers.length;
  await Promise.all(writers.map((writer) => writer.close()));
  // Consumers that have taken one event and leave the rest where it is: every stream is as full as it gets.
  const full = bytesInUse();
  let yielded = 0;
  const streams = Array.from({ length: 20 }, (_, index) => {
    const backend = {
      kind: "bench",
      async *stream() {
        for (;;) {
          yielded += 1;
          yield { type: "text.delta", text: `${yielded} ${text}` };
        }
      },
    };
    return streamTask({ store, backend, sessionId: `full-${index}`, task: "bench" })[Symbol.asyncIterator]();
  });
  await Promise.all(streams.map((stream) => stream.next()));
  for (let last = -1; last !== yielded;) {
    last = yielded;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const perEvent = (bytesInUse() - full) / yielded;
  await Promise.all(streams.map((stream) => stream.return()));
  await store.close();
  return { perSession, perEvent, inFlight: yielded / streams.length };
}

// ── the run ──

const timed = (work) => {
  globalThis.gc?.();
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
};

const results = { raw: [], rows: [], one: [], many: [], replay: [], parse: [] };
const ratios = { oneRaw: [], oneRows: [], manyRaw: [], manyRows: [], replay: [] };
for (let round = 0; round < ROUNDS; round++) {
  const at = (name) => join(folder, `${name}-${round}`);
  const raw = timed(() => writeRawFile(at("raw.ndjson")));
  globalThis.gc?.();
  const one = await writeStreams(at("one.db"), 1);
  const rows = timed(() => insertRows(at("rows.db")));
  globalThis.gc?.();
  const many = await writeStreams(at("many.db"), STREAMS);
  globalThis.gc?.();
  const parse = parseFile(at("raw.ndjson"));
  globalThis.gc?.();
  const replayed = await replay(at("one.db"));
  for (const [name, value] of Object.entries({ raw, rows, one, many, parse, replay: replayed }))
    results[name].push(value);
  for (const [name, value] of Object.entries({
    oneRaw: raw / one.ms,
    oneRows: rows / one.ms,
    manyRaw: raw / many.ms,
    manyRows: rows / many.ms,
    replay: parse / replayed,
  }))
    ratios[name].push(value);
  rmSync(at("rows.db"), { force: true });
  rmSync(at("raw.ndjson"), { force: true });
}
const alone = await streamAlone(join(folder, "alone.db"), 1000);
const window = Math.min(20_000, Math.floor(EVENTS / 4));
const longEvents = EVENTS * 10;
const flat = [];
for (let round = 0; round < ROUNDS; round++)
  flat.push(await costOverLength(join(folder, `long-${round}.db`), longEvents, window));
const tail = await tailElsewhere(join(folder, "tail.db"), 3000);
const large = await storeLargeEvent(join(folder, "large.db"));
const memory = await measureMemory(join(folder, "memory.db"));
rmSync(folder, { recursive: true, force: true });

const rate = (times) => Math.round((EVENTS / median(times)) * 1000).toLocaleString("en-US");
const timesOf = (runs) => runs.map(({ ms }) => ms);
const two = (value) => value.toFixed(2);
const bytesOf = (runs) => runs.at(-1).bytes;

console.log(
  `${EVENTS.toLocaleString("en-US")} events of ${lines[0].length} bytes, medians of ${ROUNDS} rounds; each ratio is of one round\n`,
);
const row = (...cells) => console.log(`| ${cells.join(" | ")} |`);
row("what", "Skein", "reference in the same run", "ratio");
row("---", "---", "---", "---");
row(
  "one stream, events/s",
  rate(timesOf(results.one)),
  `(a) raw file ${rate(results.raw)}`,
  two(median(ratios.oneRaw)),
);
row("", "", `(b) row inserts ${rate(results.rows)}`, two(median(ratios.oneRows)));
row(`${STREAMS} streams at once, events/s in sum`, rate(timesOf(results.many)), "(a)", two(median(ratios.manyRaw)));
row("", "", "(b)", two(median(ratios.manyRows)));
row("event-loop delay p99, one stream", `${two(median(results.one.map(({ delayP99 }) => delayP99)))} ms`, "", "");
row(
  `event-loop delay p99, ${STREAMS} streams`,
  `${two(median(results.many.map(({ delayP99 }) => delayP99)))} ms`,
  "",
  "",
);
row("slowest stream of the mean", "", "", two(median(results.many.map(({ slowest }) => slowest))));
row(
  "one event alone, pulled to delivered, p50",
  `${median(alone.ours).toFixed(3)} ms`,
  `one fdatasync ${median(alone.raw).toFixed(3)} ms`,
  two(median(alone.ours) / median(alone.raw)),
);
row("replay, events/s", rate(results.replay), `NDJSON file parsed ${rate(results.parse)}`, two(median(ratios.replay)));
row(`cost of event ${longEvents.toLocaleString("en-US")}`, "", "event 1,000", two(median(flat)));
row(
  "bytes on disk per event, one stream",
  Math.round(bytesOf(results.one) / EVENTS),
  `its own ${Math.round(sumOfBytes / EVENTS)}`,
  two(bytesOf(results.one) / sumOfBytes),
);
row(
  `bytes on disk per event, ${STREAMS} streams`,
  Math.round(bytesOf(results.many) / EVENTS),
  "the same",
  two(bytesOf(results.many) / sumOfBytes),
);
row(
  "bytes on disk per event, one by one",
  Math.round(alone.bytes / 1000),
  "the same",
  two(alone.bytes / 1000 / lines[0].length),
);
row(
  "tail in another process at 1,000/s, p99",
  `${two(percentile(tail.delays, 0.99))} ms (p50 ${two(median(tail.delays))})`,
  `two fdatasync p99 ${two(percentile(tail.twoSyncs, 0.99))} ms`,
  two(percentile(tail.delays, 0.99) / percentile(tail.twoSyncs, 0.99)),
);
row(
  "one event beside another session's of 50 MB, at most",
  `${Math.max(...large.beside).toFixed(0)} ms (p50 ${two(median(large.beside))})`,
  `alone p99 ${two(percentile(large.alone, 0.99))} ms (p50 ${two(median(large.alone))})`,
  "",
);
row("memory while 50 MB are stored, the event included", `${two(large.memory)} times its size`, "", "");
row("memory of an open idle session", `${Math.round(memory.perSession)} bytes`, "", "");
row(
  `memory of an event in flight (${Math.round(memory.inFlight)} a stream at most)`,
  `${Math.round(memory.perEvent)} bytes`,
  "",
  "",
);
