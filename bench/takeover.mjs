// How long a job stands still when its worker is killed: from kill -9 to the first event that another worker writes, which goes on with the
// loop. SKEIN_BENCH_LEASE_MS is the workers' lease (default 15,000, as theirs), SKEIN_BENCH_KILLS how many die (default 8).
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { openFleetQueue } from "skein/fleet";
import { openPostgresStore } from "skein/store/postgres";
import { startPostgres } from "./server/start-postgres.mjs";

const LEASE_MS = Number(process.env.SKEIN_BENCH_LEASE_MS ?? 15_000);
const KILLS = Number(process.env.SKEIN_BENCH_KILLS ?? 8);

const url = await startPostgres();
const queue = await openFleetQueue(url);
const store = await openPostgresStore(url);
const script = fileURLToPath(new URL("../test/chaos/worker-child.mjs", import.meta.url));
const options = { leaseMs: LEASE_MS, iterationMs: 500, workerLimit: 2, iterations: 100_000 };
const children = new Set();
function startWorker() {
  const child = spawn(process.execPath, [script, url, JSON.stringify(options)], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, NODE_OPTIONS: "--no-deprecation" },
  });
  children.add(child);
}
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

const percentile = (values, share) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];

startWorker();
startWorker();
const id = await queue.add({ name: "loop", input: 1 });
const times = [];
for (let kill = 0; kill < KILLS; kill++) {
  // The job's worker is known by its process id, which its own id holds.
  let victim;
  while (victim === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { state, worker = "" } = (await queue.jobs()).find((job) => job.id === id);
    const isWriting = (await store.get(id))?.status === "running";
    if (state === "running" && isWriting)
      victim = [...children].find(({ pid }) => worker.split(":").includes(String(pid)));
  }
  // Somewhere between two signs of life.
  await new Promise((resolve) => setTimeout(resolve, 1_000 + Math.random() * 1_000));
  const { lastSeq } = await store.get(id);
  const killedAt = Date.now();
  victim.kill("SIGKILL");
  children.delete(victim);
  for await (const event of store.tail(id, { after: lastSeq })) {
    if (event.type !== "run.started") continue;
    times.push(Date.now() - killedAt);
    break;
  }
  startWorker();
}
console.log(
  `${KILLS} workers killed, lease ${LEASE_MS} ms: another one goes on after p50 ${percentile(times, 0.5)} ms, max ${Math.max(...times)} ms`,
);
process.exit(0);
