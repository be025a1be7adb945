// A worker of a fleet that can be killed and stopped. Its boxes are scripts in memory; when it ends by itself it says how many are left.
import { setTimeout as delay } from "node:timers/promises";
import { refine, runLoop } from "../../dist/index.js";
import { openFleetQueue, runWorker } from "../../dist/runtime/fleet/index.js";
import { openPostgresStore } from "../../dist/store/postgres/index.js";
import { createScriptedSandbox } from "../../dist/testing/scripted-sandbox.js";

const [url, options] = process.argv.slice(2);
const { leaseMs, iterationMs, workerLimit, iterations } = JSON.parse(options);

const store = await openPostgresStore(url, { leaseMs, maxConnections: 5 });
const queue = await openFleetQueue(url);
const sandbox = createScriptedSandbox({
  attachable: true,
  idPrefix: `box-${process.pid}`,
  agent: async function* ({ prompt }) {
    for (let part = 0; part < 5; part++) {
      await delay((iterationMs / 5) * (0.5 + Math.random()));
      yield { type: "text.delta", text: `${prompt} ${part} ` };
    }
  },
});

const stopping = new AbortController();
process.once("SIGTERM", () => stopping.abort());

const end = await runWorker({
  queue,
  store,
  leaseMs,
  limits: { worker: workerLimit },
  drainMs: 30_000,
  signal: stopping.signal,
  openSandbox: async () => sandbox,
  jobs: {
    loop: async ({ job, sessionId, resume, signal, openSandbox }) =>
      runLoop({
        task: job.input,
        driver: refine({ patience: iterations }),
        agentRun: { profile: { name: "scripted", agent: "scripted" }, taskToPrompt: (task) => `loop ${String(task)}` },
        output: { parse: (events) => events.filter(({ type }) => type === "text.delta").length },
        validator: { validate: (output, { iteration }) => ({ valid: iteration === iterations - 1, score: iteration }) },
        maxIterations: iterations,
        sandboxClient: await openSandbox(),
        store,
        sessionId,
        resume,
        signal,
      }),
  },
});
process.stdout.write(`${JSON.stringify({ ...end, boxes: sandbox.alive.size })}\n`);
// A worker that lost its lease waits for nobody: its store and its queue may be what failed.
if (end.reason === "lost") process.exit(3);
await queue.close();
await store.close();
