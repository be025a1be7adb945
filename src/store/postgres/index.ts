import { ValidationError } from "../../errors.ts";
import { checkLeaseMs } from "../new-session.ts";
import { DEFAULT_LEASE_MS } from "../session-store.ts";
import type { OpenStoreOptions, SessionStore } from "../session-store.ts";
import { DEFAULT_CONNECTIONS, MIN_CONNECTIONS, PostgresDatabase } from "./postgres-database.ts";
import { openFormat, requireFormat } from "./postgres-format.ts";
import { PostgresStore } from "./postgres-store.ts";
import { parsePostgresUrl } from "./postgres-target.ts";

export { parsePostgresUrl } from "./postgres-target.ts";
export type { PostgresTarget } from "./postgres-target.ts";

/**
 * What a store in Postgres may be told beside what every store may.
 * @experimental
 */
export interface OpenPostgresStoreOptions extends OpenStoreOptions {
  /** The schema that holds the tables; it is made where it is missing. Default: `?schema=…` of the URL, else `skein`. */
  readonly schema?: string;
  /** The most connections that the store opens, besides one for notifications while somebody tails. Default 10, at least 5. */
  readonly maxConnections?: number;
  /**
   * Where notifications are heard: a URL that leads past a pooler in transaction mode, or false to poll only.
   * Default: the store's own URL; where notifications turn out not to arrive, tails poll four times a second.
   */
  readonly listen?: string | false;
  /**
   * How long a statement is tried again while the server cannot be reached. Default: `leaseMs`, for after that the sessions of
   * this process may belong to others.
   */
  readonly retryMs?: number;
  /** How long one statement may take before its connection is given up. Default 30,000. */
  readonly statementTimeoutMs?: number;
}

/**
 * Opens the store in a schema of a Postgres database (13 or later); tables that are missing are made.
 * Opening for writing closes the runs of processes that died (L7). Any number of processes and machines may have the same store open.
 *
 * @param url such as `postgres://user:password@host:5432/database`
 * @throws ValidationError `invalid_option`, `path_not_found` (reading only); StoreError `store_foreign`, `store_newer`, `store_unavailable`, `store_failed`
 * @experimental
 */
export async function openPostgresStore(url: string, options: OpenPostgresStoreOptions = {}): Promise<SessionStore> {
  const target = parsePostgresUrl(url, options.schema);
  const { readOnly = false, durability = "disk", leaseMs = DEFAULT_LEASE_MS } = options;
  const { maxConnections = DEFAULT_CONNECTIONS, statementTimeoutMs = 30_000, retryMs = leaseMs, listen } = options;
  checkLeaseMs(leaseMs);
  if (!Number.isInteger(maxConnections) || maxConnections < MIN_CONNECTIONS) {
    throw new ValidationError(
      "invalid_option",
      `maxConnections is a whole number of at least ${MIN_CONNECTIONS}, not ${String(maxConnections)}.`,
    );
  }
  const listenUrl = listen === false ? undefined : listen === undefined ? target.url : parsePostgresUrl(listen).url;
  const database = new PostgresDatabase(target, { maxConnections, statementTimeoutMs, retryMs });
  try {
    if (readOnly) await requireFormat(database);
    else await openFormat(database);
    const store = new PostgresStore({ database, readOnly, durability, leaseMs, listenUrl });
    if (readOnly) return store;
    await store.recover();
    void store.resumeSweep();
    return store;
  } catch (error) {
    await database.close();
    throw error;
  }
}
