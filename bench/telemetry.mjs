// What it costs to make spans: microseconds an event, and what a run through the memory store takes with and without an observer. In one process, interleaved.
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import { openMemoryStore, streamTask } from "../dist/index.js";
import { createIterableBackend } from "../dist/backend/iterable/index.js";
import { createTelemetry, createTelemetryIds } from "../dist/telemetry/index.js";

const EVENTS = Number(process.env.SKEIN_BENCH_EVENTS ?? 20_000);
const ROUNDS = 7;

/** Ten tools in every thousand events, the rest deltas of text: what an agent is like. */
const backend = createIterableBackend("bench", async function* () {
  for (let n = 0; n < EVENTS; n++) {
    if (n % 100 === 0) yield { type: "tool.started", toolCallId: `t${n}`, toolName: "edit" };
    else if (n % 100 === 1)
      yield { type: "tool.ended", toolCallId: `t${n - 1}`, toolName: "edit", status: "completed" };
    else yield { type: "text.delta", text: "some words of an answer" };
  }
});

const ids = createTelemetryIds();
const tracer = new BasicTracerProvider({ idGenerator: ids }).getTracer("skein");

async function run(telemetry) {
  const store = await openMemoryStore();
  const startedAt = performance.now();
  let events = streamTask({ task: "x", backend, store });
  if (telemetry !== undefined) events = telemetry.observed(events);
  const kept = [];
  for await (const event of events) kept.push(event);
  const ms = performance.now() - startedAt;
  await store.close();
  return { ms, kept };
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const without = [];
const withIt = [];
const alone = [];
const deltas = [];

/** Microseconds an event. */
function observeAll(events) {
  const telemetry = createTelemetry({ tracer, ids });
  const startedAt = performance.now();
  for (const event of events) telemetry.observe(event);
  return ((performance.now() - startedAt) * 1000) / events.length;
}

for (let round = 0; round < ROUNDS; round++) {
  const plain = await run();
  without.push(plain.ms);
  withIt.push((await run(createTelemetry({ tracer, ids }))).ms);
  alone.push(observeAll(plain.kept));
  deltas.push(observeAll(plain.kept.filter(({ type }) => !type.startsWith("tool."))));
}
console.log(`| ${EVENTS} events, 2 in 100 of them of a tool | median of ${ROUNDS} |`);
console.log("|---|---|");
console.log(`| \`observe\`, real SDK | ${median(alone).toFixed(2)} us an event |`);
console.log(`| \`observe\`, the same without tools | ${median(deltas).toFixed(2)} us an event |`);
console.log(`| a run through the memory store | ${((median(without) * 1000) / EVENTS).toFixed(2)} us an event |`);
console.log(`| the same, observed | ${((median(withIt) * 1000) / EVENTS).toFixed(2)} us an event |`);
