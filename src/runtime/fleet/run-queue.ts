import type { JsonValue } from "../../event/event.ts";

/**
 * What hands work to workers: the one place that knows which of them runs what. It never holds what a run did: that is in the log, and a job
 * whose worker died is run again by another one, which goes on from the log. So `run` may be called more than once for a job, never by
 * two living workers at a time.
 *
 * - A job is taken by priority, then by age, as far as the limits let it.
 * - A worker holds a lease. One that does not renew it is dead to the others: what it ran goes back to the queue. One that finds its own
 *   lease over has its jobs aborted with a `FencedError`, and takes nothing more.
 */
export interface RunQueue extends AsyncDisposable {
  /** Puts a job in; one with the id of a job that is there already changes nothing. @returns the job's id */
  add(job: NewJob): Promise<string>;
  /** A queued job is never run; a running one has its signal fired within seconds. False where there is no such job, or it has ended. */
  cancel(jobId: string): Promise<boolean>;
  /** The newest first. */
  jobs(filter?: JobFilter): Promise<JobStatus[]>;
  workers(): Promise<WorkerStatus[]>;
  /** What the worker that began last asked for; none before the first. */
  limits(): Promise<QueueLimits>;
  /** Begins to take jobs for one worker. A process has at most one. */
  take(options: TakeOptions): Promise<Taking>;
  close(): Promise<void>;
}

/** What is put in. */
export interface NewJob {
  /** The session that the job writes has the same id. Default: a new one. */
  readonly id?: string;
  /** Which kind of work it is: the name of one of the worker's jobs. */
  readonly name: string;
  readonly input?: JsonValue;
  /** On whose behalf; each has a limit of its own. Default `default`. */
  readonly tenant?: string;
  /** Smaller is sooner, from 0. Default 100. */
  readonly priority?: number;
}

/** What a worker is given. */
export interface Job {
  readonly id: string;
  readonly name: string;
  readonly input: JsonValue;
  readonly tenant: string;
  readonly priority: number;
}

export const DEFAULT_TENANT = "default";
export const DEFAULT_PRIORITY = 100;

/** Where a job stands. */
export type JobState = "queued" | "running" | "completed" | "failed" | "cancelled";

/** A job as the queue knows it. How its run ended is in the log. */
export interface JobStatus extends Job {
  readonly state: JobState;
  /** Who runs it, or ran it last. */
  readonly worker?: string;
  readonly error?: string;
  /** Milliseconds since the epoch. */
  readonly addedAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
}

/** Which jobs are listed. Default: all. */
export interface JobFilter {
  readonly state?: JobState;
  readonly limit?: number;
}

/** A worker as the others see it. */
export interface WorkerStatus {
  readonly id: string;
  readonly isAlive: boolean;
  readonly isDraining: boolean;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly leaseUntil: number;
  readonly jobs: readonly string[];
}

/** How many jobs run at the same time. */
export interface QueueLimits {
  /** In all workers together. Default: no limit. */
  readonly fleet?: number;
  /** Of one tenant, in all workers together. Default: no limit. */
  readonly tenant?: number;
  /** In one worker. Default 4. */
  readonly worker?: number;
}

/** How a worker takes jobs. */
export interface TakeOptions {
  readonly workerId: string;
  readonly limits: QueueLimits;
  /** Default 15,000. */
  readonly leaseMs?: number;
  /** Runs a job to its end. A rejection is the job's failure. The signal fires on a cancel (`AbortError`) and when the lease is lost (`FencedError`). */
  run(job: Job, signal: AbortSignal): Promise<void>;
  /** The lease is lost: the worker is at its end. */
  onLost(why: string): void;
  /** Jobs of dead workers were given back to the queue by this one. */
  onTakenOver?(count: number): void;
}

/** A worker that takes jobs. */
export interface Taking {
  /** Takes nothing new, and waits until what runs has ended; at most so long. @returns the jobs that had not ended, which go back to the queue */
  drain(timeoutMs: number): Promise<readonly string[]>;
}
