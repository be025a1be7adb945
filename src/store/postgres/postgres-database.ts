import { createHash } from "node:crypto";
import pg from "pg";
import { StoreError } from "../../errors.ts";
import { createLimiter } from "../../internal/limiter.ts";
import type { Limiter } from "../../internal/limiter.ts";
import { storeClosed } from "../store-faults.ts";
import { StatementTimeout, classifyFailure, toStoreError } from "./postgres-failure.ts";
import type { PostgresTarget } from "./postgres-target.ts";

/**
 * What a statement is for. Each lane has connections of its own in the one pool, so that neither a crowd of readers
 * nor of openings keeps appends waiting.
 */
export type Lane = "append" | "control" | "read";

/** Transactions with appends that are on their way: one that is flushed, and one that gathers behind it. */
export const APPENDS_IN_FLIGHT = 2;
const CONTROLS_IN_FLIGHT = 2;

export const MIN_CONNECTIONS = APPENDS_IN_FLIGHT + CONTROLS_IN_FLIGHT + 1;
export const DEFAULT_CONNECTIONS = 10;

const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 10_000;
/** A plan that a connection keeps was made for tables as large as they were then: so long it may be used. */
const MOST_SECONDS_OF_A_PLAN = 60;
/** What a pooler in transaction mode answers where it leads to a connection that does not know the plan, or knows it from another client. */
const PLAN_LOST: ReadonlySet<string> = new Set(["26000", "42P05"]);
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 1_000;

export type Row = readonly unknown[];

export interface PostgresDatabaseOptions {
  readonly maxConnections: number;
  /** How long one statement may take before its connection is given up. */
  readonly statementTimeoutMs: number;
  /** How long a statement is tried again while the server cannot be reached. */
  readonly retryMs: number;
}

/** What a statement may be told beside its text. */
export interface QueryOptions {
  /** Sent so often that the server is asked to keep its plan, under a name with this word in it. */
  readonly keepAs?: string;
  /** Called where the statement may have taken effect without an answer, before it is sent again. */
  readonly onUnknownOutcome?: () => void;
}

interface Statement {
  readonly text: string;
  /** The same for every process that sends this text, so that what they share is the same plan. */
  readonly digest: string;
}

/** Eight-byte integers as numbers: all of ours are positions and times. */
const types = {
  getTypeParser: (oid: number, format?: "text" | "binary"): unknown =>
    oid === 20 ? Number : (pg.types.getTypeParser as (oid: number, format?: string) => unknown)(oid, format),
};

/**
 * The one pool. Every statement is a transaction of its own: nothing that matters is left in a connection, so that a pooler in transaction mode may
 * stand between, and a process that stands still holds no lock. Plans that such a pooler loses are done without.
 */
export class PostgresDatabase {
  readonly target: PostgresTarget;
  readonly #pool: pg.Pool;
  readonly #options: PostgresDatabaseOptions;
  readonly #lanes: Readonly<Record<Lane, Limiter>>;
  readonly #texts = new Map<string, Statement>();
  #keepsPlans = true;
  readonly #leaving = new AbortController();
  #closing: Promise<void> | undefined;

  constructor(target: PostgresTarget, options: PostgresDatabaseOptions) {
    this.target = target;
    this.#options = options;
    this.#lanes = {
      append: createLimiter(APPENDS_IN_FLIGHT),
      control: createLimiter(CONTROLS_IN_FLIGHT),
      read: createLimiter(options.maxConnections - APPENDS_IN_FLIGHT - CONTROLS_IN_FLIGHT),
    };
    this.#pool = new pg.Pool({
      connectionString: target.url,
      max: options.maxConnections,
      connectionTimeoutMillis: Math.min(CONNECT_TIMEOUT_MS, options.statementTimeoutMs),
      idleTimeoutMillis: IDLE_TIMEOUT_MS,
      maxLifetimeSeconds: MOST_SECONDS_OF_A_PLAN,
      allowExitOnIdle: true,
      keepAlive: true,
      application_name: "skein",
      types,
    });
    // A connection that breaks is told to the statement that it carried; an idle one is nobody's loss.
    this.#pool.on("error", () => {});
    this.#pool.on("connect", (client) => client.on("error", () => {}));
  }

  /**
   * Sends one statement, as often as it takes: while the server cannot be reached it is sent again until the time for that is over,
   * so it must be one that does no harm when it takes effect twice, or that finds out.
   *
   * @param sql `{s}` stands for the schema
   * @throws StoreError; database errors that are answers (`23505`, `23503`) as they are
   */
  query(lane: Lane, sql: string, parameters: readonly unknown[] = [], options: QueryOptions = {}): Promise<Row[]> {
    return this.#lanes[lane](() => this.#repeat(this.#toStatement(sql), parameters, options));
  }

  /** Runs `work` in one transaction on one connection, once: only for bringing the tables in order, when nobody else needs the connection. */
  async transaction<Result>(work: (query: (sql: string) => Promise<Row[]>) => Promise<Result>): Promise<Result> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw toStoreError(error, this.target.name);
    });
    const query = async (sql: string): Promise<Row[]> =>
      (await client.query({ text: this.#toStatement(sql).text, rowMode: "array" })).rows as Row[];
    try {
      await query("BEGIN");
      const result = await work(query);
      await query("COMMIT");
      client.release();
      return result;
    } catch (error) {
      client.release(true);
      throw toStoreError(error, this.target.name);
    }
  }

  /** From here on nothing is tried again: who closes does not wait for a server that is gone. */
  stopRetrying(): void {
    this.#leaving.abort();
  }

  close(): Promise<void> {
    this.stopRetrying();
    this.#closing ??= this.#pool.end();
    return this.#closing;
  }

  async #repeat(statement: Statement, parameters: readonly unknown[], options: QueryOptions): Promise<Row[]> {
    const deadline = performance.now() + this.#options.retryMs;
    for (let tries = 0; ; tries++) {
      if (this.#closing !== undefined) throw storeClosed();
      const { text, digest } = statement;
      const { keepAs } = options;
      const name = keepAs === undefined || !this.#keepsPlans ? undefined : `skein_${keepAs}_${digest}`;
      try {
        return await this.#send({ text, ...(name === undefined ? {} : { name }) }, parameters);
      } catch (error) {
        if (name !== undefined && PLAN_LOST.has((error as { code?: string }).code ?? "")) {
          this.#keepsPlans = false;
          continue;
        }
        const kind = classifyFailure(error);
        const isAnswer = kind === "refused" && (error as { code?: string }).code?.startsWith("23") === true;
        if (isAnswer) throw error;
        if (kind === "refused" || performance.now() >= deadline || this.#leaving.signal.aborted)
          throw toStoreError(error, this.target.name);
        if (kind === "connection") options.onUnknownOutcome?.();
        await this.#pause(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tries) * (0.5 + Math.random()));
      }
    }
  }

  async #send(
    statement: { readonly text: string; readonly name?: string },
    parameters: readonly unknown[],
  ): Promise<Row[]> {
    const client = await this.#pool.connect();
    const { statementTimeoutMs } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    try {
      const answer = client.query<unknown[]>({ ...statement, values: parameters as unknown[], rowMode: "array" });
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new StatementTimeout(statementTimeoutMs)), statementTimeoutMs);
      });
      answer.catch(() => {});
      const { rows } = await Promise.race([answer, late]);
      client.release();
      return rows;
    } catch (error) {
      // A connection whose statement was refused is as good as before; any other is not.
      client.release(classifyFailure(error) === "connection");
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#leaving;
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      }
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #toStatement(sql: string): Statement {
    let statement = this.#texts.get(sql);
    if (statement === undefined) {
      const text = sql.replaceAll("{s}", this.target.schema);
      statement = { text, digest: createHash("sha256").update(text).digest("hex").slice(0, 24) };
      this.#texts.set(sql, statement);
    }
    return statement;
  }
}

/** Milliseconds since the epoch by the database's clock: the one clock that all processes share. */
export const NOW = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/** Stands between texts that travel together: JSON never holds it as it is. */
export const TEXT_SEPARATOR = "\u001e";
export const SPLIT_TEXTS = "chr(30)";

/** Numbers as an array literal, which the driver would make with an allocation for each. */
export function toArray(values: readonly (number | boolean | string)[]): string {
  return `{${values.join(",")}}`;
}

/** @throws StoreError what the caller of a closed store gets */
export function refuseTooOld(version: number, name: string): void {
  if (version >= 130_000) return;
  throw new StoreError(
    "store_unavailable",
    `The store ${name} runs Postgres ${Math.floor(version / 10_000)}; a store needs Postgres 13 or later.`,
  );
}
