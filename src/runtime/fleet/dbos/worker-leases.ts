import pg from "pg";
import { LeaseKeeper } from "../../../store/postgres/lease-keeper.ts";
import type { QueueLimits, WorkerStatus } from "../run-queue.ts";
import { QUEUE, UNLIMITED } from "./dbos-module.ts";

const NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
/** A beat that takes longer is given up, and the connection with it. */
const MOST_CONNECT_MS = 3_000;

export interface BeatResult {
  /** False: the lease was over, or somebody took the jobs away. */
  readonly isHeld: boolean;
  /** Of the jobs that run here, those that were cancelled. */
  readonly cancelled: readonly string[];
  /** Of the jobs that run here, those that belong to another worker by now. */
  readonly lost: readonly string[];
  /** Jobs of dead workers that this beat gave back to the queue. */
  readonly takenOver: number;
}

/**
 * Who is alive. Each worker has a row that it renews on a connection of its own, by the database's clock;
 * a row that is over is removed by whoever sees it first, in the statement that gives its jobs back to the queue.
 */
export class WorkerLeases {
  readonly #url: string;
  readonly #schema: string;
  #client: pg.Client | undefined;
  #opening: Promise<pg.Client> | undefined;

  constructor(url: string, schema: string) {
    this.#url = url;
    this.#schema = schema;
  }

  /** Makes the table, unless it is there. @returns whether the engine's tables are there, too */
  async prepare(): Promise<boolean> {
    await this.#ask(
      `SELECT pg_advisory_xact_lock(hashtext('skein workers'), hashtext('${this.#schema}'));
       CREATE SCHEMA IF NOT EXISTS ${this.#schema};
       CREATE TABLE IF NOT EXISTS ${this.#schema}.skein_workers (
         id text PRIMARY KEY, started_at bigint NOT NULL, lease_until bigint NOT NULL, is_draining boolean NOT NULL DEFAULT false)`,
    );
    const [row] = await this.#ask(`SELECT to_regclass('${this.#schema}.workflow_status') IS NOT NULL AS is_there`);
    return row?.["is_there"] === true;
  }

  async begin(workerId: string, leaseMs: number): Promise<void> {
    await this.#ask(
      `INSERT INTO ${this.#schema}.skein_workers (id, started_at, lease_until) VALUES ($1, ${NOW}, ${NOW} + $2::bigint)`,
      [workerId, leaseMs],
    );
  }

  /** Renews the lease also while the main thread computes, by a thread and a connection of its own. */
  keep(workerId: string, leaseMs: number): LeaseKeeper {
    const keeper = new LeaseKeeper({
      url: this.#url,
      sql: `UPDATE ${this.#schema}.skein_workers w SET lease_until = ${NOW} + h.lease FROM unnest($1::text[], $2::bigint[]) AS h (id, lease)
        WHERE w.id = h.id AND w.lease_until > ${NOW} RETURNING w.id`,
      everyMs: leaseMs / 3,
      applicationName: "skein worker lease",
    });
    keeper.add(workerId, [workerId, leaseMs]);
    return keeper;
  }

  /** Renews the lease, frees what dead workers held, and looks how the own jobs stand. */
  async beat(workerId: string, leaseMs: number, running: readonly string[]): Promise<BeatResult> {
    const renewed = await this.#ask(
      `UPDATE ${this.#schema}.skein_workers SET lease_until = ${NOW} + $2::bigint WHERE id = $1 AND lease_until > ${NOW} RETURNING id`,
      [workerId, leaseMs],
    );
    if (renewed.length === 0) return { isHeld: false, cancelled: [], lost: [], takenOver: 0 };
    const takenOver = await this.#free();
    const rows = (await this.#ask(
      `SELECT workflow_uuid, status, executor_id FROM ${this.#schema}.workflow_status WHERE workflow_uuid = ANY($1::text[])`,
      [running],
    )) as { workflow_uuid: string; status: string; executor_id: string }[];
    return {
      isHeld: true,
      cancelled: rows.filter(({ status }) => status === "CANCELLED").map(({ workflow_uuid }) => workflow_uuid),
      lost: rows
        .filter(
          ({ status, executor_id }) => status === "ENQUEUED" || (status === "PENDING" && executor_id !== workerId),
        )
        .map(({ workflow_uuid }) => workflow_uuid),
      takenOver,
    };
  }

  /** Gives back to the queue what nobody alive runs. @returns how many jobs */
  async #free(): Promise<number> {
    await this.#ask(`DELETE FROM ${this.#schema}.skein_workers WHERE lease_until <= ${NOW}`);
    const freed = await this.#ask(
      `UPDATE ${this.#schema}.workflow_status SET status = 'ENQUEUED', started_at_epoch_ms = NULL, owner_xid = NULL, updated_at = ${NOW}
       WHERE status = 'PENDING' AND queue_name = $1
       AND NOT EXISTS (SELECT 1 FROM ${this.#schema}.skein_workers w WHERE w.id = executor_id) RETURNING workflow_uuid`,
      [QUEUE],
    );
    return freed.length;
  }

  /** Gives one job back, which this worker cannot go on with. */
  async giveBack(workerId: string, jobId: string): Promise<void> {
    await this.#ask(
      `UPDATE ${this.#schema}.workflow_status SET status = 'ENQUEUED', started_at_epoch_ms = NULL, owner_xid = NULL, updated_at = ${NOW}
       WHERE workflow_uuid = $1 AND status = 'PENDING' AND executor_id = $2`,
      [jobId, workerId],
    );
  }

  async drain(workerId: string): Promise<void> {
    await this.#ask(`UPDATE ${this.#schema}.skein_workers SET is_draining = true WHERE id = $1`, [workerId]);
  }

  /** Gives the lease up, and with it what still runs. */
  async end(workerId: string): Promise<void> {
    await this.#ask(`DELETE FROM ${this.#schema}.skein_workers WHERE id = $1`, [workerId]);
    await this.#free();
  }

  async list(): Promise<WorkerStatus[]> {
    const rows = (await this.#ask(
      `SELECT w.id, w.started_at, w.lease_until, w.lease_until > ${NOW} AS is_alive, w.is_draining,
         ARRAY(SELECT s.workflow_uuid FROM ${this.#schema}.workflow_status s WHERE s.status = 'PENDING' AND s.executor_id = w.id ORDER BY 1) AS jobs
       FROM ${this.#schema}.skein_workers w ORDER BY w.started_at`,
    )) as {
      id: string;
      started_at: string;
      lease_until: string;
      is_alive: boolean;
      is_draining: boolean;
      jobs: string[];
    }[];
    return rows.map((row) => ({
      id: row.id,
      isAlive: row.is_alive,
      isDraining: row.is_draining,
      startedAt: Number(row.started_at),
      leaseUntil: Number(row.lease_until),
      jobs: row.jobs,
    }));
  }

  /** As the queue is registered. */
  async limits(): Promise<QueueLimits> {
    const [row] = (await this.#ask(
      `SELECT concurrency AS fleet, worker_concurrency AS worker, partition_concurrency AS tenant FROM ${this.#schema}.queues WHERE name = $1`,
      [QUEUE],
    )) as { fleet: number | null; worker: number | null; tenant: number | null }[];
    return {
      ...(typeof row?.worker === "number" ? { worker: row.worker } : {}),
      ...(typeof row?.fleet === "number" ? { fleet: row.fleet } : {}),
      ...(typeof row?.tenant === "number" && row.tenant !== UNLIMITED ? { tenant: row.tenant } : {}),
    };
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => {});
  }

  async #ask(sql: string, parameters?: readonly unknown[]): Promise<Record<string, unknown>[]> {
    const client = await this.#connect();
    try {
      const { rows } = await client.query<Record<string, unknown>>({
        text: sql,
        ...(parameters === undefined ? {} : { values: [...parameters] }),
      });
      return rows;
    } catch (error) {
      // Whatever it was, the next call has a connection that is surely well.
      if (this.#client === client) this.#client = undefined;
      void client.end().catch(() => {});
      throw error;
    }
  }

  /** One connection, also for those who ask while it is being made. */
  async #connect(): Promise<pg.Client> {
    if (this.#client !== undefined) return this.#client;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#url,
      connectionTimeoutMillis: MOST_CONNECT_MS,
      query_timeout: MOST_CONNECT_MS * 2,
      keepAlive: true,
      application_name: "skein worker",
    });
    const forget = (): void => {
      if (this.#client === client) this.#client = undefined;
    };
    client.on("error", forget);
    client.on("end", forget);
    await client.connect();
    this.#client = client;
    return client;
  }
}
