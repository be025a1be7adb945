import type { DBOSClient, WorkflowStatus } from "@dbos-inc/dbos-sdk";
import pg from "pg";
import { AbortError, FencedError, SkeinError, StoreError, ValidationError } from "../../../errors.ts";
import { createId } from "../../../internal/ids.ts";
import { parsePostgresUrl } from "../../../store/postgres/index.ts";
import type { LeaseKeeper } from "../../../store/postgres/lease-keeper.ts";
import { DEFAULT_PRIORITY, DEFAULT_TENANT } from "../run-queue.ts";
import type {
  Job,
  JobFilter,
  JobState,
  JobStatus,
  NewJob,
  QueueLimits,
  RunQueue,
  TakeOptions,
  Taking,
  WorkerStatus,
} from "../run-queue.ts";
import { APPLICATION_VERSION, QUEUE, UNLIMITED, WORKFLOW, loadDbos, toQueueSchema } from "./dbos-module.ts";
import { WorkerLeases } from "./worker-leases.ts";

const DEFAULT_LEASE_MS = 15_000;
const DEFAULT_WORKER_LIMIT = 4;
const POLL_MS = 200;
/** A cancel is seen by the next beat. */
const LONGEST_BEAT_MS = 1_000;

const STATES: Readonly<Record<string, JobState>> = {
  ENQUEUED: "queued",
  DELAYED: "queued",
  PENDING: "running",
  SUCCESS: "completed",
  ERROR: "failed",
  MAX_RECOVERY_ATTEMPTS_EXCEEDED: "failed",
  CANCELLED: "cancelled",
};

const BY_STATE: Readonly<Record<JobState, ("ENQUEUED" | "PENDING" | "SUCCESS" | "ERROR" | "CANCELLED")[]>> = {
  queued: ["ENQUEUED"],
  running: ["PENDING"],
  completed: ["SUCCESS"],
  failed: ["ERROR"],
  cancelled: ["CANCELLED"],
};

/** The engine says nothing of its own: what a worker has to tell is in its metrics and in the log. */
const SILENT = { info() {}, debug() {}, warn() {}, error() {} };

/**
 * Opens the queue of a fleet: jobs in the Postgres database of the store, taken by any number of workers on any number of machines.
 *
 * @param url the store's URL; the queue has the schema beside it, `skein_queue` by default
 * @throws StoreError `store_unavailable` where `@dbos-inc/dbos-sdk` is not installed, `store_failed`
 * @experimental
 */
export async function openFleetQueue(url: string, options: { readonly schema?: string } = {}): Promise<RunQueue> {
  const target = parsePostgresUrl(url, options.schema);
  const { DBOS, DBOSClient } = await loadDbos();
  const schema = toQueueSchema(target.schema);
  const leases = new WorkerLeases(target.url, schema);
  try {
    // Later versions of the tables are made by the workers, when they begin.
    if (!(await leases.prepare())) await DBOS.migrate(target.url, { schemaName: schema });
    const pool = openPool(target.url);
    const client = await DBOSClient.create({
      systemDatabaseUrl: target.url,
      systemDatabasePool: pool,
      systemDatabaseSchemaName: schema,
    });
    return new DbosQueue(target.url, schema, client, pool, leases);
  } catch (cause) {
    await leases.close();
    throw new StoreError("store_failed", `The queue at ${target.name} could not be opened: ${toText(cause)}.`, {
      cause,
    });
  }
}

/** The engine's connections, each with somebody who hears that it broke: an error that nobody hears ends the process. */
function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: 5,
    keepAlive: true,
    allowExitOnIdle: true,
    connectionTimeoutMillis: 5_000,
    application_name: "skein queue",
  });
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}

class DbosQueue implements RunQueue {
  readonly #url: string;
  readonly #schema: string;
  readonly #client: DBOSClient;
  readonly #pool: pg.Pool;
  readonly #leases: WorkerLeases;
  #taking: DbosTaking | undefined;

  constructor(url: string, schema: string, client: DBOSClient, pool: pg.Pool, leases: WorkerLeases) {
    this.#url = url;
    this.#schema = schema;
    this.#client = client;
    this.#pool = pool;
    this.#leases = leases;
  }

  async add(job: NewJob): Promise<string> {
    const { id = createId("job"), name, input = null, tenant = DEFAULT_TENANT, priority = DEFAULT_PRIORITY } = job;
    await this.#client.enqueue(
      {
        workflowName: WORKFLOW,
        queueName: QUEUE,
        workflowID: id,
        queuePartitionKey: tenant,
        priority,
        appVersion: APPLICATION_VERSION,
      },
      { id, name, input, tenant, priority },
    );
    return id;
  }

  async cancel(jobId: string): Promise<boolean> {
    const status = await this.#client.getWorkflow(jobId);
    const state = status === undefined || status === null ? undefined : STATES[status.status];
    if (state !== "queued" && state !== "running") return false;
    await this.#client.cancelWorkflow(jobId);
    return true;
  }

  async jobs({ state, limit }: JobFilter = {}): Promise<JobStatus[]> {
    const found = await this.#client.listWorkflows({
      workflowName: WORKFLOW,
      sortDesc: true,
      ...(state === undefined ? {} : { status: BY_STATE[state] }),
      ...(limit === undefined ? {} : { limit }),
    });
    return found.map(toJobStatus);
  }

  async workers(): Promise<WorkerStatus[]> {
    return this.#leases.list();
  }

  async limits(): Promise<QueueLimits> {
    return this.#leases.limits();
  }

  async take(options: TakeOptions): Promise<Taking> {
    if (this.#taking !== undefined)
      throw new ValidationError("invalid_option", "This process takes jobs already; it has one worker.");
    const taking = new DbosTaking(this.#url, this.#schema, options);
    this.#taking = taking;
    try {
      await taking.begin();
    } catch (cause) {
      this.#taking = undefined;
      await taking.end().catch(() => {});
      throw new StoreError(
        "store_failed",
        `The worker could not begin: ${toText(cause)}. Check that the database takes connections, and start it again.`,
        { cause, retryable: true },
      );
    }
    return taking;
  }

  async close(): Promise<void> {
    await this.#taking?.end();
    await this.#client.destroy();
    await this.#pool.end();
    await this.#leases.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** One worker: the engine's executor, and the lease that says that it is alive. */
class DbosTaking implements Taking {
  readonly #url: string;
  readonly #schema: string;
  readonly #options: TakeOptions;
  readonly #leaseMs: number;
  readonly #leases: WorkerLeases;
  readonly #pool: pg.Pool;
  readonly #running = new Map<string, AbortController>();
  #timer: NodeJS.Timeout | undefined;
  #keeper: LeaseKeeper | undefined;
  #heldUntil = 0;
  #isBeating = false;
  #isLost = false;
  #isEnded = false;
  #shutdown: (options: { workflowCompletionTimeoutMS?: number }) => Promise<void> = async () => {};

  constructor(url: string, schema: string, options: TakeOptions) {
    this.#url = url;
    this.#schema = schema;
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? DEFAULT_LEASE_MS;
    // A connection of its own: a crowd on the others does not make a worker look dead.
    this.#leases = new WorkerLeases(url, schema);
    this.#pool = openPool(url);
  }

  async begin(): Promise<void> {
    const { workerId, limits } = this.#options;
    const { DBOS } = await loadDbos();
    this.#shutdown = (options) => DBOS.shutdown({ ...options, deregister: true });
    DBOS.setConfig({
      name: "skein",
      systemDatabaseUrl: this.#url,
      systemDatabaseSchemaName: this.#schema,
      systemDatabasePool: this.#pool,
      executorID: workerId,
      applicationVersion: APPLICATION_VERSION,
      runAdminServer: false,
      listenQueues: [QUEUE],
      logger: SILENT,
    });
    DBOS.registerWorkflow((job: Job) => this.#run(job), { name: WORKFLOW, maxRecoveryAttempts: 1_000 });
    const now = performance.now();
    await this.#leases.begin(workerId, this.#leaseMs);
    this.#heldUntil = now + this.#leaseMs;
    this.#keeper = this.#leases.keep(workerId, this.#leaseMs);
    this.#timer = setInterval(() => void this.#beat(), Math.min(LONGEST_BEAT_MS, this.#leaseMs / 3));
    await DBOS.launch();
    const worker = limits.worker ?? DEFAULT_WORKER_LIMIT;
    await DBOS.registerQueue(QUEUE, {
      // The engine refuses a worker or a tenant that may run more than the fleet.
      workerConcurrency: Math.min(worker, limits.fleet ?? worker),
      ...(limits.fleet === undefined ? {} : { globalConcurrency: limits.fleet }),
      partitionConcurrency: Math.min(limits.tenant ?? UNLIMITED, limits.fleet ?? UNLIMITED),
      minPollingIntervalMs: POLL_MS,
      onConflict: "always_update",
    });
  }

  async #run(job: Job): Promise<void> {
    // What a worker takes that is lost already belongs to another by the next look.
    if (this.#isLost) await this.#never();
    const stop = new AbortController();
    this.#running.set(job.id, stop);
    try {
      await this.#options.run(job, stop.signal);
    } catch (error) {
      if (this.#isLost) await this.#never();
      // The log could not be written: that is not how the job ended. Whoever takes it next goes on from the log.
      if (SkeinError.is(error) && error.kind === "store") await this.#giveBack(job.id);
      throw error;
    } finally {
      this.#running.delete(job.id);
    }
  }

  async #giveBack(jobId: string): Promise<void> {
    try {
      await this.#leases.giveBack(this.#options.workerId, jobId);
    } catch {
      this.#lose("the database could not be reached");
      await this.#never();
    }
  }

  /** The engine must hear nothing of a job from a worker that is lost: it would take it for the job's own end. */
  #never(): Promise<never> {
    return new Promise(() => {});
  }

  async #beat(): Promise<void> {
    if (this.#isLost || this.#isEnded) return;
    // A process that stood still stood still with all of its threads; one that computed has renewed its lease.
    const isKept = this.#keeper !== undefined && this.#keeper.sinceRenewedMs < this.#leaseMs;
    if (performance.now() > this.#heldUntil && !isKept) {
      this.#lose("it was not renewed in time: the process stood still, or the database could not be reached");
      return;
    }
    if (this.#isBeating) return;
    this.#isBeating = true;
    try {
      const before = performance.now();
      const { workerId } = this.#options;
      const result = await this.#leases.beat(workerId, this.#leaseMs, [...this.#running.keys()]);
      if (!result.isHeld) {
        this.#lose("it was over before it was renewed, and the worker's jobs belong to others");
        return;
      }
      this.#heldUntil = before + this.#leaseMs;
      for (const id of result.cancelled) this.#running.get(id)?.abort(new AbortError("The job was cancelled."));
      for (const id of result.lost)
        this.#running.get(id)?.abort(new FencedError("The job belongs to another worker by now."));
      if (result.takenOver > 0) this.#options.onTakenOver?.(result.takenOver);
    } catch {
      // The database may be back at the next beat; if it is not before the lease is over, the worker is at its end.
    } finally {
      this.#isBeating = false;
    }
  }

  #lose(why: string): void {
    if (this.#isLost) return;
    this.#isLost = true;
    clearInterval(this.#timer);
    void this.#keeper?.stop();
    for (const stop of this.#running.values()) stop.abort(new FencedError(`The worker's lease is lost: ${why}.`));
    // Takes nothing more; what it runs is waited for by nobody.
    void this.#shutdown({}).catch(() => {});
    this.#options.onLost(why);
  }

  async drain(timeoutMs: number): Promise<readonly string[]> {
    await this.#leases.drain(this.#options.workerId).catch(() => {});
    await this.#shutdown({ workflowCompletionTimeoutMS: timeoutMs });
    const left = [...this.#running.keys()];
    await this.end();
    return left;
  }

  /** Gives the lease up, and with it what still runs here. */
  async end(): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearInterval(this.#timer);
    await this.#keeper?.stop();
    await this.#shutdown({}).catch(() => {});
    if (!this.#isLost) await this.#leases.end(this.#options.workerId).catch(() => {});
    await this.#leases.close();
    await this.#pool.end();
  }
}

function toJobStatus(status: WorkflowStatus): JobStatus {
  const [job] = (status.input ?? []) as [Job | undefined];
  const error = status.error === undefined || status.error === null ? undefined : toText(status.error);
  const state = STATES[status.status] ?? "failed";
  return {
    id: status.workflowID,
    name: job?.name ?? "",
    input: job?.input ?? null,
    tenant: job?.tenant ?? DEFAULT_TENANT,
    priority: job?.priority ?? DEFAULT_PRIORITY,
    state,
    ...(status.executorId === undefined || status.executorId === "" ? {} : { worker: status.executorId }),
    ...(error === undefined ? {} : { error }),
    addedAt: status.createdAt,
    ...(status.dequeuedAt === undefined ? {} : { startedAt: status.dequeuedAt }),
    ...(status.completedAt === undefined ? {} : { endedAt: status.completedAt }),
  };
}

function toText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
