import type { JobStatus, WorkerStatus } from "./run-queue.ts";

export type JobOutcome = "completed" | "failed" | "aborted";

/** What a worker counts, to be asked for by a monitoring system. */
export class WorkerFigures {
  isReady = false;
  running = 0;
  /** Jobs of dead workers that this one gave back to the queue. */
  takenOver = 0;
  readonly #ended = new Map<string, { count: number; seconds: number }>();

  add(name: string, outcome: JobOutcome, durationMs: number): void {
    const key = `job="${escapeLabel(name)}",outcome="${outcome}"`;
    const entry = this.#ended.get(key) ?? { count: 0, seconds: 0 };
    entry.count += 1;
    entry.seconds += durationMs / 1000;
    this.#ended.set(key, entry);
  }

  /** In the text format of Prometheus. */
  render(fleet?: { readonly jobs: readonly JobStatus[]; readonly workers: readonly WorkerStatus[] }): string {
    const lines = [
      "# HELP skein_worker_ready 1 while the worker takes jobs.",
      "# TYPE skein_worker_ready gauge",
      `skein_worker_ready ${this.isReady ? 1 : 0}`,
      "# HELP skein_worker_jobs_running Jobs that run in this worker.",
      "# TYPE skein_worker_jobs_running gauge",
      `skein_worker_jobs_running ${this.running}`,
      "# HELP skein_worker_takeovers_total Jobs of dead workers that this one gave back to the queue.",
      "# TYPE skein_worker_takeovers_total counter",
      `skein_worker_takeovers_total ${this.takenOver}`,
      "# HELP skein_worker_job_seconds How long jobs took in this worker, by outcome.",
      "# TYPE skein_worker_job_seconds summary",
    ];
    for (const [key, { count, seconds }] of this.#ended)
      lines.push(`skein_worker_job_seconds_count{${key}} ${count}`, `skein_worker_job_seconds_sum{${key}} ${seconds}`);
    lines.push(
      "# HELP skein_queue_up 1 where the queue's database answered when this was asked for.",
      "# TYPE skein_queue_up gauge",
      `skein_queue_up ${fleet === undefined ? 0 : 1}`,
    );
    if (fleet !== undefined) lines.push(...renderFleet(fleet.jobs, fleet.workers));
    return `${lines.join("\n")}\n`;
  }
}

function renderFleet(jobs: readonly JobStatus[], workers: readonly WorkerStatus[]): string[] {
  const depth = new Map<string, number>();
  for (const { state, tenant } of jobs) {
    const key = `state="${state}",tenant="${escapeLabel(tenant)}"`;
    depth.set(key, (depth.get(key) ?? 0) + 1);
  }
  return [
    "# HELP skein_queue_jobs Jobs that wait or run in the whole fleet.",
    "# TYPE skein_queue_jobs gauge",
    ...Array.from(depth, ([key, count]) => `skein_queue_jobs{${key}} ${count}`),
    "# HELP skein_fleet_workers Workers whose lease is not over.",
    "# TYPE skein_fleet_workers gauge",
    `skein_fleet_workers ${workers.filter(({ isAlive }) => isAlive).length}`,
  ];
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
