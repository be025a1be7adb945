import { AbortError, ValidationError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import { DEFAULT_PRIORITY, DEFAULT_TENANT } from "./run-queue.ts";
import type {
  JobFilter,
  JobStatus,
  NewJob,
  QueueLimits,
  RunQueue,
  TakeOptions,
  Taking,
  WorkerStatus,
} from "./run-queue.ts";

const DEFAULT_WORKER_LIMIT = 4;

interface Entry {
  status: JobStatus;
  readonly order: number;
  readonly stop: AbortController;
}

/**
 * A queue in this process: nothing to install, and gone with the process. What its jobs wrote is in the store all the same,
 * so a job that is added again with its id goes on.
 *
 * @experimental
 */
export function createLocalQueue(): RunQueue {
  return new LocalQueue();
}

class LocalQueue implements RunQueue {
  readonly #entries = new Map<string, Entry>();
  readonly #startedAt = Date.now();
  #taker: TakeOptions | undefined;
  #isDraining = false;
  #idle: (() => void)[] = [];

  async add({
    id = createId("job"),
    name,
    input = null,
    tenant = DEFAULT_TENANT,
    priority = DEFAULT_PRIORITY,
  }: NewJob) {
    if (!this.#entries.has(id)) {
      const status: JobStatus = { id, name, input, tenant, priority, state: "queued", addedAt: Date.now() };
      this.#entries.set(id, { status, order: this.#entries.size, stop: new AbortController() });
      this.#startNext();
    }
    return id;
  }

  async cancel(jobId: string): Promise<boolean> {
    const entry = this.#entries.get(jobId);
    if (entry === undefined || (entry.status.state !== "queued" && entry.status.state !== "running")) return false;
    entry.status = { ...entry.status, state: "cancelled", endedAt: Date.now() };
    entry.stop.abort(new AbortError("The job was cancelled."));
    return true;
  }

  async jobs({ state, limit }: JobFilter = {}): Promise<JobStatus[]> {
    const all = Array.from(this.#entries.values(), ({ status }) => status).toReversed();
    return all.filter((job) => state === undefined || job.state === state).slice(0, limit);
  }

  async workers(): Promise<WorkerStatus[]> {
    if (this.#taker === undefined) return [];
    const jobs = this.#running().map(({ status }) => status.id);
    const { workerId: id } = this.#taker;
    const leaseUntil = Number.MAX_SAFE_INTEGER;
    return [{ id, isAlive: true, isDraining: this.#isDraining, startedAt: this.#startedAt, leaseUntil, jobs }];
  }

  async limits(): Promise<QueueLimits> {
    return this.#taker === undefined ? {} : { worker: DEFAULT_WORKER_LIMIT, ...this.#taker.limits };
  }

  async take(options: TakeOptions): Promise<Taking> {
    if (this.#taker !== undefined)
      throw new ValidationError("invalid_option", "This queue has a worker already; a process has one.");
    this.#taker = options;
    this.#startNext();
    return { drain: (timeoutMs) => this.#drain(timeoutMs) };
  }

  /** Jobs whose `run` has not returned, also those that were cancelled meanwhile. */
  readonly #active = new Set<Entry>();

  #running(): Entry[] {
    return [...this.#active];
  }

  #startNext(): void {
    const taker = this.#taker;
    if (taker === undefined || this.#isDraining) return;
    const queued = [...this.#entries.values()]
      .filter(({ status }) => status.state === "queued")
      .sort((a, b) => a.status.priority - b.status.priority || a.order - b.order);
    for (const entry of queued) if (this.#hasRoom(entry, taker.limits)) void this.#run(entry, taker);
  }

  #hasRoom({ status }: Entry, { fleet, tenant, worker = DEFAULT_WORKER_LIMIT }: QueueLimits): boolean {
    const running = this.#running();
    if (running.length >= Math.min(worker, fleet ?? worker)) return false;
    return tenant === undefined || running.filter((other) => other.status.tenant === status.tenant).length < tenant;
  }

  async #run(entry: Entry, { run, workerId }: TakeOptions): Promise<void> {
    this.#active.add(entry);
    entry.status = { ...entry.status, state: "running", worker: workerId, startedAt: Date.now() };
    try {
      await run(entry.status, entry.stop.signal);
      if (entry.status.state === "running") entry.status = { ...entry.status, state: "completed", endedAt: Date.now() };
    } catch (error) {
      if (entry.status.state === "running")
        entry.status = { ...entry.status, state: "failed", error: toText(error), endedAt: Date.now() };
    } finally {
      this.#active.delete(entry);
      if (this.#active.size === 0) for (const wake of this.#idle.splice(0)) wake();
      this.#startNext();
    }
  }

  async #drain(timeoutMs: number): Promise<readonly string[]> {
    this.#isDraining = true;
    if (this.#active.size > 0) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
      await Promise.race([new Promise<void>((resolve) => this.#idle.push(resolve)), late]);
      clearTimeout(timer);
    }
    return this.#running().map(({ status }) => status.id);
  }

  async close(): Promise<void> {
    this.#isDraining = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function toText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
