import { expect, it } from "vitest";
import { explainJob } from "./explain-job.ts";
import type { JobStatus, WorkerStatus } from "./run-queue.ts";

const job = (id: string, more: Partial<JobStatus> = {}): JobStatus => ({
  id,
  name: "x",
  input: null,
  tenant: "a",
  priority: 100,
  state: "queued",
  addedAt: 1,
  ...more,
});
const worker = (id: string, more: Partial<WorkerStatus> = {}): WorkerStatus => ({
  id,
  isAlive: true,
  isDraining: false,
  startedAt: 0,
  leaseUntil: 0,
  jobs: [],
  ...more,
});
const running = (id: string, more: Partial<JobStatus> = {}): JobStatus =>
  job(id, { state: "running", worker: "w", ...more });

it.each<readonly [string, ...Parameters<typeof explainJob>, string | undefined]>([
  ["no worker", job("j"), [], [], {}, undefined, "there is no worker"],
  [
    "workers that end",
    job("j"),
    [],
    [worker("w", { isDraining: true })],
    {},
    undefined,
    "all workers are about to end",
  ],
  [
    "the fleet's limit",
    job("j"),
    [running("r", { tenant: "b" })],
    [worker("w")],
    { fleet: 1 },
    undefined,
    "1 run, as many as the fleet may",
  ],
  [
    "the tenant's limit",
    job("j"),
    [running("r")],
    [worker("w")],
    { tenant: 1 },
    undefined,
    "1 of a run, as many as a tenant may",
  ],
  [
    "the workers' limit",
    job("j"),
    [running("r")],
    [worker("w", { jobs: ["r"] })],
    { worker: 1 },
    undefined,
    "each worker runs 1, as many as it may",
  ],
  ["those before it", job("j"), [job("j"), job("k", { priority: 1 })], [worker("w")], {}, undefined, "1 are before it"],
  ["nothing", job("j"), [job("j")], [worker("w")], { worker: 1 }, undefined, "it is next"],
  [
    "a worker that is gone",
    running("r"),
    [],
    [worker("v")],
    {},
    undefined,
    "its worker w is gone; another one takes over when that lease is over",
  ],
  [
    "an agent that says nothing",
    running("r"),
    [],
    [worker("w")],
    {},
    { silentMs: 7 * 60_000 },
    "its worker is alive, but nothing was stored for 7 min: look where it stands with `skein tail`, or cancel it",
  ],
  ["an agent that thinks", running("r"), [], [worker("w")], {}, { silentMs: 60_000 }, undefined],
  ["its end", job("j", { state: "completed" }), [], [], {}, undefined, undefined],
])("says why a job does not go on: %s", (_name, about, jobs, workers, limits, progress, sentence) => {
  expect(explainJob(about, jobs, workers, limits, progress)).toBe(sentence);
});
