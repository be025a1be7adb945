import type { JobStatus, QueueLimits, WorkerStatus } from "./run-queue.ts";

/** What the log of a job's session says of how it goes. */
export interface JobProgress {
  /** How long ago the last event of the session, or of an iteration's, was stored; undefined: there is none yet. */
  readonly silentMs?: number;
}

/** An agent that says nothing for so long is worth a look; a model alone seldom takes longer. */
const LONG_SILENCE_MS = 5 * 60_000;

/**
 * Why a job does not go on, as far as the queue and the log tell; undefined for one that does, or has ended.
 *
 * @param progress of a job that runs
 */
export function explainJob(
  job: JobStatus,
  jobs: readonly JobStatus[],
  workers: readonly WorkerStatus[],
  limits: QueueLimits = {},
  progress?: JobProgress,
): string | undefined {
  const alive = workers.filter(({ isAlive }) => isAlive);
  if (job.state === "running") {
    if (alive.some(({ id }) => id === job.worker)) return explainSilence(progress);
    return alive.length === 0
      ? `its worker ${job.worker ?? ""} is gone, and there is none to take over`
      : `its worker ${job.worker ?? ""} is gone; another one takes over when that lease is over`;
  }
  if (job.state !== "queued") return undefined;
  const taking = alive.filter(({ isDraining }) => !isDraining);
  if (alive.length === 0) return "there is no worker";
  if (taking.length === 0) return "all workers are about to end";
  const running = jobs.filter(({ state }) => state === "running");
  if (limits.fleet !== undefined && running.length >= limits.fleet)
    return `${limits.fleet} run, as many as the fleet may`;
  const ofTenant = running.filter(({ tenant }) => tenant === job.tenant);
  if (limits.tenant !== undefined && ofTenant.length >= limits.tenant)
    return `${limits.tenant} of ${job.tenant} run, as many as a tenant may`;
  if (limits.worker !== undefined && taking.every(({ jobs: held }) => held.length >= (limits.worker ?? 0)))
    return `each worker runs ${limits.worker}, as many as it may`;
  const before = jobs.filter(
    (other) =>
      other.state === "queued" &&
      (other.priority < job.priority || (other.priority === job.priority && other.addedAt < job.addedAt)),
  );
  return before.length > 0 ? `${before.length} are before it` : "it is next";
}

function explainSilence({ silentMs }: JobProgress = {}): string | undefined {
  if (silentMs === undefined || silentMs < LONG_SILENCE_MS) return undefined;
  return `its worker is alive, but nothing was stored for ${Math.floor(silentMs / 60_000)} min: look where it stands with \`skein tail\`, or cancel it`;
}
