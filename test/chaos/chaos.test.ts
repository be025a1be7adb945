import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { StoredEvent } from "../../dist/index.js";
import { openFleetQueue } from "../../dist/runtime/fleet/index.js";
import { openPostgresStore } from "../../dist/store/postgres/index.js";
import { startServer } from "../../dist/store/postgres/postgres-server.test.support.js";
import type { PostgresServer } from "../../dist/store/postgres/postgres-server.test.support.js";
import { TcpProxy } from "../../dist/store/postgres/tcp-proxy.test.support.js";

/** `SKEIN_CHAOS=short` is what continuous integration has time for. */
const IS_SHORT = process.env["SKEIN_CHAOS"] === "short";
const ITERATIONS = 5;
const FORM = IS_SHORT
  ? {
      loops: 60,
      workers: 3,
      workerLimit: 6,
      leaseMs: 4_000,
      stopMs: 6_000,
      everyMs: 3_000,
      iterationMs: 600,
      restarts: 1,
    }
  : {
      loops: 300,
      workers: 4,
      workerLimit: 6,
      leaseMs: 10_000,
      stopMs: 15_000,
      everyMs: 4_000,
      iterationMs: 1_500,
      restarts: 2,
    };

const SCRIPT = fileURLToPath(new URL("./worker-child.mjs", import.meta.url));

let server: PostgresServer;
let proxy: TcpProxy;
let through: string;
beforeAll(async () => {
  server = await startServer();
  ({ proxy, url: through } = await TcpProxy.open(server.url));
});
afterAll(async () => {
  for (const worker of fleet) worker.child.kill("SIGKILL");
  await proxy.close();
  await server.stop();
});

interface Ended {
  readonly reason: "drained" | "lost";
  readonly left: readonly string[];
  readonly boxes: number;
}

class WorkerProcess {
  readonly child: ChildProcessByStdio<null, Readable, null>;
  readonly exited: Promise<unknown>;
  isStopped = false;
  /** What it said when it ended by itself. */
  end: Ended | undefined;

  constructor() {
    this.child = spawn(process.execPath, [SCRIPT, through, JSON.stringify({ ...FORM, iterations: ITERATIONS })], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, NODE_OPTIONS: "--no-deprecation" },
    });
    this.exited = once(this.child, "close");
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      if (line.startsWith('{"reason"')) this.end = JSON.parse(line) as Ended;
    });
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }
}

const fleet: WorkerProcess[] = [];
const ended: WorkerProcess[] = [];
let isOver = false;

/** Starts a worker, and another one when it has ended: what an orchestrator does. */
function startWorker(): void {
  const worker = new WorkerProcess();
  fleet.push(worker);
  void worker.exited.then(() => {
    fleet.splice(fleet.indexOf(worker), 1);
    ended.push(worker);
    if (!isOver) startWorker();
  });
}

const counts = { kills: 0, stops: 0, restarts: 0, cuts: 0 };

/** One misfortune every few seconds, until all is done. */
async function disturb(progress: () => number): Promise<void> {
  for (let turn = 0; !isOver; turn++) {
    await delay(FORM.everyMs);
    const victim = fleet.filter(({ isAlive, isStopped }) => isAlive && !isStopped)[turn % FORM.workers];
    if (isOver) return;
    if (progress() > (counts.restarts + 1) / (FORM.restarts + 1) && counts.restarts < FORM.restarts) {
      counts.restarts += 1;
      await server.restart(counts.restarts % 2 === 1 ? "SIGQUIT" : "SIGKILL");
    } else if (turn % 4 === 3) {
      counts.cuts += 1;
      proxy.answersToLose += 2;
      proxy.requestsToLose += 1;
      proxy.cutAll();
    } else if (turn % 2 === 0) {
      counts.kills += 1;
      victim?.child.kill("SIGKILL");
    } else if (victim !== undefined) {
      counts.stops += 1;
      victim.isStopped = true;
      victim.child.kill("SIGSTOP");
      void delay(FORM.stopMs).then(() => {
        victim.isStopped = false;
        victim.child.kill("SIGCONT");
      });
    }
  }
}

async function readAll(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

it(
  `L2, L4, L5, L7, K10: ${FORM.loops} loops of ${ITERATIONS} iterations end, each iteration once, whatever becomes of workers and database`,
  { timeout: 900_000 },
  async () => {
    const queue = await openFleetQueue(server.url);
    const ids = Array.from({ length: FORM.loops }, (_, index) => `loop-${index}`);
    for (const [index, id] of ids.entries())
      await queue.add({ id, name: "loop", input: index, tenant: `t${index % 5}`, priority: index % 3 });
    const startedAt = performance.now();
    for (let index = 0; index < FORM.workers; index++) startWorker();
    let done = 0;
    const chaos = disturb(() => done / FORM.loops);
    while (done < FORM.loops) {
      await delay(500);
      // The database may be away at this moment.
      const jobs = await queue.jobs().catch(() => []);
      expect(jobs.filter(({ state }) => state === "failed" || state === "cancelled")).toEqual([]);
      done = Math.max(done, jobs.filter(({ state }) => state === "completed").length);
    }
    const seconds = (performance.now() - startedAt) / 1000;
    isOver = true;
    await chaos;
    for (const worker of fleet) {
      worker.child.kill("SIGCONT");
      worker.child.kill("SIGTERM");
    }
    await Promise.all(fleet.map(({ exited }) => exited));
    await queue.close();

    const store = await openPostgresStore(server.url);
    let events = 0;
    let runs = 0;
    let resumed = 0;
    for (const id of ids) {
      const log = await readAll(store.read(id));
      const ends = log.filter((event) => event.type === "iteration.ended").map((event) => event.index);
      expect(ends, `iterations of ${id}`).toEqual(Array.from({ length: ITERATIONS }, (_, index) => index));
      expect((await store.get(id))?.status).toBe("completed");
      for (const session of [{ id }, ...(await store.list({ parentId: id }))]) {
        const own = session.id === id ? log : await readAll(store.read(session.id));
        expect(own.map(({ seq }) => seq)).toEqual(own.map((_, index) => index + 1));
        const started = own.filter(({ type }) => type === "run.started").map(({ runId }) => runId);
        const finals = own.filter(({ type }) => type === "final").map(({ runId }) => runId);
        expect(finals, `finals of ${session.id}`).toEqual(started);
        events += own.length;
        runs += started.length;
      }
      resumed += log.filter(({ type }) => type === "run.started").length - 1;
    }
    await store.close();
    const told = ended.flatMap(({ end }) => (end === undefined ? [] : [end]));
    // One that stood still to the last finds its lease over when it wakes.
    expect(told.filter(({ reason }) => reason === "drained").length).toBeGreaterThan(0);
    for (const { boxes } of told) expect(boxes, "no box is left").toBe(0);
    expect(counts.kills + counts.stops).toBeGreaterThan(1);
    process.stdout.write(
      `loops ${FORM.loops}, iterations ${FORM.loops * ITERATIONS}, workers ${FORM.workers}, seconds ${seconds.toFixed(0)}, kills ${counts.kills}, ` +
        `stops of ${FORM.stopMs / 1000} s ${counts.stops}, fenced after a stop ${told.filter(({ reason }) => reason === "lost").length}, ` +
        `restarts of Postgres ${counts.restarts}, connections cut ${proxy.lost}, loops resumed ${resumed}, events ${events}, runs with one final ${runs}, lost or double 0\n`,
    );
  },
);
