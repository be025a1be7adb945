import type { JobStatus, QueueLimits, WorkerStatus } from "./run-queue.ts";

/** Why a job does not go on, as far as the queue tells; undefined for one that does, or has ended. */
export function explainJob(
  job: JobStatus,
  jobs: readonly JobStatus[],
  workers: readonly WorkerStatus[],
  limits: QueueLimits = {},
): string | undefined {
  const alive = workers.filter(({ isAlive }) => isAlive);
  if (job.state === "running") {
    if (alive.some(({ id }) => id === job.worker)) return undefined;
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
  const before = jobs.filter(
    (other) =>
      other.state === "queued" &&
      (other.priority < job.priority || (other.priority === job.priority && other.addedAt < job.addedAt)),
  );
  return before.length > 0 ? `${before.length} are before it` : "it is next";
}
