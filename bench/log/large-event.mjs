// A process of its own: one session stores an event of SKEIN_BENCH_LARGE_MB (default 50) while another stores small ones, one after the other.
// Says how long the small ones took, alone and beside the large one, and how much memory the large one needed beyond itself.
import { setTimeout as sleep } from "node:timers/promises";
import { streamTask } from "skein";
import { openSqliteStore } from "skein/store/sqlite";

const BYTES = Number(process.env.SKEIN_BENCH_LARGE_MB ?? 50) * 1e6;
const line = `2026-11-22T10:00:00Z INFO build/step_7: compiled "src/store/log-part.ts" in 12 ms\n`;

const store = await openSqliteStore(process.argv[2]);
let isLargeStored = false;
let phase = "alone";
const delays = { alone: [], beside: [] };

/** Small events, each yielded when the one before it was seen. */
async function writeSmall() {
  // From when it was to be yielded: what keeps the timer back keeps the event back.
  let dueAt = 0;
  let isDelivered;
  const backend = {
    kind: "bench",
    async *stream() {
      while (!isLargeStored) {
        const delivered = new Promise((resolve) => (isDelivered = resolve));
        yield { type: "text.delta", text: "a small event" };
        await delivered;
        dueAt = performance.now() + 1;
        await sleep(1);
      }
    },
  };
  for await (const event of streamTask({ store, backend, sessionId: "small", task: "bench" })) {
    if (event.type !== "text.delta") continue;
    if (dueAt > 0) delays[phase].push(performance.now() - dueAt);
    isDelivered();
  }
}

async function writeLarge() {
  // One flat text, as it comes from a socket or a file.
  const output = Buffer.from(line.repeat(BYTES / JSON.stringify(line).length)).toString();
  globalThis.gc();
  // Making it took this thread some time, which is not the store's.
  await sleep(100);
  const before = process.memoryUsage().rss;
  let most = before;
  const sampling = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 2);
  phase = "beside";
  const backend = {
    kind: "bench",
    async *stream() {
      yield { type: "tool.ended", toolCallId: "1", toolName: "build", status: "completed", result: output };
    },
  };
  const startedAt = performance.now();
  for await (const event of streamTask({ store, backend, sessionId: "large", task: "bench" })) void event;
  const ms = performance.now() - startedAt;
  isLargeStored = true;
  clearInterval(sampling);
  return { ms, memory: (most - before + output.length) / output.length };
}

const small = writeSmall();
await sleep(500);
const large = await writeLarge();
await small;
await store.close();
process.send({ ...delays, ...large });
process.disconnect();
