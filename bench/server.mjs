// 1,000 readers tail one run through one server: what that costs the server in memory, and how long after an event was stored each reader has it.
// Three processes: the one that writes the run (this one), `skein serve`, and the readers.
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { runTask } from "skein";
import { createIterableBackend } from "skein/backend/iterable";
import { createApp } from "skein/server";
import { openSqliteStore } from "skein/store/sqlite";

const EVENTS = 100;
const EVERY_MS = 100;
const LONG = 100_000;

const quantile = (values, part) => values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * part)];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Resident memory in MiB. */
async function memoryOf(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)[1]) / 1024;
}

async function measure(readers) {
  const folder = await mkdtemp(join(tmpdir(), "skein-bench-"));
  const server = spawn(process.execPath, ["dist/cli/main.js", "serve", "--port", "0", "--json", "--data", folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = await once(createInterface({ input: server.stdout }), "line");
    const { url } = JSON.parse(line);
    const store = await openSqliteStore(join(folder, "skein.db"));
    let begin;
    const begun = new Promise((resolve) => (begin = resolve));
    const backend = createIterableBackend("bench", async function* bench() {
      await begun;
      for (let word = 0; word < EVENTS; word++) {
        yield { type: "text.delta", text: `word ${word} of some length, as a model says them` };
        await pause(EVERY_MS);
      }
    });
    const running = runTask({ task: "tail me", backend, store, sessionId: "tailed" });
    while ((await store.get("tailed"))?.openRun === undefined) await pause(10);
    await fetch(`${url}/api/sessions`);
    const before = await memoryOf(server.pid);
    const child = fork(new URL("server/readers.mjs", import.meta.url), [url, String(readers)]);
    const messages = [];
    child.on("message", (message) => messages.push(message));
    const gone = once(child, "exit").then(([code]) => {
      if (messages.length < 2) throw new Error(`The readers ended with ${code} before all of them were done.`);
    });
    const told = () => Promise.race([once(child, "message"), gone]);
    await told();
    const connected = await memoryOf(server.pid);
    const cpu = async () => {
      const fields = (await readFile(`/proc/${server.pid}/stat`, "utf8")).split(" ");
      return (Number(fields[13]) + Number(fields[14])) / 100;
    };
    const cpuBefore = await cpu();
    begin();
    await running;
    if (messages.length < 2) await told();
    const cpuSpent = (await cpu()) - cpuBefore;
    const [, delays] = messages;
    const after = await memoryOf(server.pid);
    await store.close();
    if (delays.length !== readers * EVENTS) throw new Error(`${delays.length} of ${readers * EVENTS} events arrived.`);
    console.log(
      `${readers} readers, ${1000 / EVERY_MS} events/s: seen after ${quantile(delays, 0.5)} ms (median), ${quantile(delays, 0.99)} ms (99 %), ${quantile(delays, 1)} ms (last); ` +
        `server ${before.toFixed(0)} MiB without readers, ${connected.toFixed(0)} MiB with all connected (${(((connected - before) * 1024) / readers).toFixed(0)} KiB each), ${after.toFixed(0)} MiB at the end; ` +
        `${((cpuSpent * 1e6) / (readers * EVENTS)).toFixed(0)} µs of the server's processor for each delivery; ${delays.length} events delivered, none lost`,
    );
  } finally {
    server.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a session adds up to: asked for the first time, asked again, and asked again when an event came. */
async function measureFolds() {
  const folder = await mkdtemp(join(tmpdir(), "skein-bench-"));
  const store = await openSqliteStore(join(folder, "skein.db"));
  const app = createApp({ store });
  try {
    await store.create({ id: "long", kind: "task" });
    const writer = await store.openWriter("long");
    await writer.append([{ type: "run.started", kind: "task", task: "long" }]);
    const deltas = Array.from({ length: 1000 }, (_, at) => ({ type: "text.delta", text: `word ${at} of some length` }));
    for (let at = 0; at < LONG; at += deltas.length) await writer.append(deltas);
    const ask = async (path) => {
      const began = performance.now();
      await (await app.request(`http://localhost${path}`)).text();
      return performance.now() - began;
    };
    const first = await ask("/api/sessions/long");
    const again = [];
    const grown = [];
    for (let turn = 0; turn < 20; turn++) {
      again.push(await ask("/api/sessions/long"), await ask("/api/sessions/long/lineage"));
      await writer.append(deltas.slice(0, 1));
      grown.push(await ask("/api/sessions/long"));
    }
    await writer.close();
    console.log(
      `a session of ${LONG.toLocaleString("en-US")} events with its runs, or its lineage: ${first.toFixed(0)} ms the first time, ${quantile(again, 0.5).toFixed(1)} ms again, ${quantile(grown, 0.5).toFixed(1)} ms when an event came (medians)`,
    );
  } finally {
    await app.close();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
}

await measureFolds();
await measure(100);
await measure(1000);
