import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { FencedError, SkeinError, ValidationError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import type { SandboxClient } from "../../sandbox/sandbox.ts";
import type { Session, SessionStore } from "../../store/session-store.ts";
import type { Job, QueueLimits, RunQueue, Taking } from "./run-queue.ts";
import { StoreFence } from "./store-fence.ts";
import type { JobOutcome } from "./worker-figures.ts";
import { WorkerFigures } from "./worker-figures.ts";

/** What a job is run with. */
export interface JobContext {
  readonly job: Job;
  readonly store: SessionStore;
  /** The session that the job writes: the job's own id. */
  readonly sessionId: string;
  /** An earlier worker began it: pass it on to `runLoop` or `streamTask`, which then go on from the log. */
  readonly resume: boolean;
  /** Fires on a cancel, and when the worker has lost its lease. */
  readonly signal: AbortSignal;
  /** The worker's sandbox, opened by the first job that asks. */
  openSandbox(): Promise<SandboxClient>;
}

/** Runs one kind of job to its end: calls `runLoop` or `streamTask` with what its context holds. */
export type JobDefinition = (context: JobContext) => Promise<unknown>;

/** What a worker has to tell whoever keeps its log. */
export type WorkerNote =
  | {
      readonly note: "worker.ready" | "worker.draining";
      readonly workerId: string;
      readonly running: readonly string[];
    }
  | { readonly note: "jobs.taken_over"; readonly workerId: string; readonly count: number }
  | { readonly note: "job.started"; readonly workerId: string; readonly job: Job }
  | {
      readonly note: "job.ended";
      readonly workerId: string;
      readonly job: Job;
      readonly outcome: JobOutcome;
      readonly durationMs: number;
      readonly error?: unknown;
    };

/** What a worker is made of. */
export interface WorkerOptions {
  readonly queue: RunQueue;
  readonly store: SessionStore;
  /** What this worker can do, by name. Every worker of a fleet has the same. */
  readonly jobs: Readonly<Record<string, JobDefinition>>;
  openSandbox?(): Promise<SandboxClient>;
  /**
   * Default false: the boxes of this worker's sandbox are no other worker's, so those of a job that it lost are deleted. True where several
   * workers of one machine share a sandbox: whoever took the job over goes on in its boxes.
   */
  readonly areBoxesShared?: boolean;
  readonly limits?: QueueLimits;
  /** Default 15,000: after so long without a sign of life a worker is dead to the others. */
  readonly leaseMs?: number;
  /** How long a worker that is told to end waits for what runs. Default 60,000. */
  readonly drainMs?: number;
  /** Default: host, process id and a random part. */
  readonly workerId?: string;
  /** Ends the worker in order: it takes nothing new, and waits for what runs. */
  readonly signal?: AbortSignal;
  readonly figures?: WorkerFigures;
  /** Hears what the worker does, as it happens. It must not throw. */
  onNote?(note: WorkerNote): void;
}

/** How a worker ended. */
export interface WorkerEnd {
  /** `drained`: it was told to end. `lost`: its lease was over, or its store failed; the process should end and be started again. */
  readonly reason: "drained" | "lost";
  readonly why?: string;
  /** Jobs that had not ended, and that others go on with. */
  readonly left: readonly string[];
}

const BUSY_PAUSE_MS = 500;

export function createWorkerId(): string {
  return `${hostname()}:${process.pid}:${createId("w").slice(2, 10)}`;
}

/**
 * Takes jobs until it is told to end, or its lease is lost.
 *
 * - A job whose session is in the log already goes on from there; one whose session has its `final` is not run again.
 * - A worker that stood still longer than its lease writes nothing any more: its sessions belong to others, its jobs are aborted, and their
 *   boxes deleted.
 *
 * @experimental
 */
export async function runWorker(options: WorkerOptions): Promise<WorkerEnd> {
  const { queue, limits = {}, drainMs = 60_000, signal, workerId = createWorkerId() } = options;
  const figures = options.figures ?? new WorkerFigures();
  const work = new JobRunner(options, figures, workerId);
  let onLost: (why: string) => void = () => {};
  const lost = new Promise<string>((resolve) => (onLost = resolve));
  work.onStoreFailed = onLost;
  const taking: Taking = await queue.take({
    workerId,
    limits,
    ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
    run: (job, stop) => work.run(job, stop),
    onLost,
    onTakenOver: (count) => {
      figures.takenOver += count;
      options.onNote?.({ note: "jobs.taken_over", workerId, count });
    },
  });
  figures.isReady = true;
  options.onNote?.({ note: "worker.ready", workerId, running: [] });
  const told = new Promise<undefined>((resolve) => {
    if (signal?.aborted === true) resolve(undefined);
    signal?.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  const why = await Promise.race([lost, told]);
  figures.isReady = false;
  if (why === undefined) {
    options.onNote?.({ note: "worker.draining", workerId, running: work.running });
    return { reason: "drained", left: await taking.drain(drainMs) };
  }
  // What runs here was aborted: its boxes go, its sessions stay as they are.
  await Promise.race([work.settled(), delay(drainMs, undefined, { ref: false })]);
  return { reason: "lost", why, left: work.running };
}

class JobRunner {
  readonly #options: WorkerOptions;
  readonly #figures: WorkerFigures;
  readonly #workerId: string;
  readonly #running = new Map<string, Promise<void>>();
  #sandbox: Promise<SandboxClient> | undefined;
  onStoreFailed: (why: string) => void = () => {};

  constructor(options: WorkerOptions, figures: WorkerFigures, workerId: string) {
    this.#options = options;
    this.#figures = figures;
    this.#workerId = workerId;
  }

  get running(): string[] {
    return [...this.#running.keys()];
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#running.values());
  }

  run(job: Job, signal: AbortSignal): Promise<void> {
    const work = this.#run(job, signal);
    this.#running.set(job.id, work);
    this.#figures.running = this.#running.size;
    const end = (): void => {
      if (this.#running.get(job.id) === work) this.#running.delete(job.id);
      this.#figures.running = this.#running.size;
    };
    work.then(end, end);
    return work;
  }

  async #run(job: Job, signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    this.#options.onNote?.({ note: "job.started", workerId: this.#workerId, job });
    try {
      await this.#runOrWait(job, signal);
      this.#ended(job, "completed", startedAt);
    } catch (error) {
      this.#ended(job, signal.aborted ? "aborted" : "failed", startedAt, error);
      // A store that failed refuses everything: this worker can do nothing more.
      if (SkeinError.is(error) && (error.code === "store_closed" || error.code === "store_failed"))
        this.onStoreFailed(error.message);
      throw error;
    }
  }

  #ended(job: Job, outcome: JobOutcome, startedAt: number, error?: unknown): void {
    const durationMs = performance.now() - startedAt;
    this.#figures.add(job.name, outcome, durationMs);
    const why = error === undefined ? {} : { error };
    this.#options.onNote?.({ note: "job.ended", workerId: this.#workerId, job, outcome, durationMs, ...why });
  }

  async #runOrWait(job: Job, signal: AbortSignal): Promise<void> {
    const { jobs } = this.#options;
    const fence = new StoreFence(this.#options.store);
    const { store } = fence;
    // Before anybody else hears of it: what the abort sets off must not be written.
    signal.addEventListener("abort", () => {
      if (signal.reason instanceof FencedError) fence.cut(signal.reason);
    });
    const define = Object.hasOwn(jobs, job.name) ? jobs[job.name] : undefined;
    if (define === undefined) {
      throw new ValidationError(
        "invalid_option",
        `This worker knows no job ${JSON.stringify(job.name)}; it knows ${Object.keys(jobs).join(", ")}.`,
      );
    }
    for (;;) {
      signal.throwIfAborted();
      const session = await store.get(job.id);
      if (session !== undefined && (await hasEnded(store, session))) return;
      // A loop that meets an iteration which a dead worker still holds would fail for good.
      if (session !== undefined && (await isHeld(store, session))) {
        await delay(BUSY_PAUSE_MS, undefined, { signal }).catch(() => {});
        continue;
      }
      try {
        await define({
          job,
          store,
          sessionId: job.id,
          resume: session !== undefined,
          signal,
          openSandbox: () => this.#openSandbox(),
        });
        return;
      } catch (error) {
        if (error instanceof FencedError && this.#options.areBoxesShared !== true) await this.#deleteBoxes(job.id);
        // The session's lease of a worker that died is not over yet, or that worker has just ended it.
        if (!SkeinError.is(error) || (error.code !== "session_busy" && error.code !== "session_exists")) throw error;
        // The loop has failed of it, and its log says so: seen again, that end would pass for a job done.
        if ((await store.get(job.id))?.status === "failed") throw error;
        await delay(BUSY_PAUSE_MS, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** A fenced loop leaves its boxes to whoever took it over, who is on another machine and cannot reach them. */
  async #deleteBoxes(sessionId: string): Promise<void> {
    const client = await this.#sandbox?.catch(() => undefined);
    const boxes = (await client?.list?.({ "skein.session": sessionId }).catch(() => [])) ?? [];
    await Promise.allSettled(boxes.map(async ({ id }) => (await client?.attach?.(id))?.delete()));
  }

  #openSandbox(): Promise<SandboxClient> {
    const { openSandbox } = this.#options;
    if (openSandbox === undefined)
      return Promise.reject(
        new ValidationError("invalid_option", "This worker was given no sandbox: pass `openSandbox`."),
      );
    this.#sandbox ??= openSandbox();
    return this.#sandbox;
  }
}

/** Whether the leases of whoever ran it before, on its session and on those of its iterations, are not over yet. */
async function isHeld(store: SessionStore, { id, writer }: Session): Promise<boolean> {
  return writer !== undefined || (await store.list({ parentId: id })).some((child) => child.writer !== undefined);
}

/** Whether the log says how the job ended. An interrupted run goes on, and so does one that failed for its store, such as a lease that was over. */
async function hasEnded(store: SessionStore, { id, status, lastSeq }: Session): Promise<boolean> {
  if (status === "failed") {
    for await (const event of store.read(id, { after: lastSeq - 1 }))
      if (event.type === "final" && event.error?.kind === "store") return false;
  }
  return status === "completed" || status === "failed" || status === "aborted";
}
