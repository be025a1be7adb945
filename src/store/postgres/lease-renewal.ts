import { LeaseKeeper } from "./lease-keeper.ts";
import { NOW, toArray } from "./postgres-database.ts";
import type { PostgresDatabase } from "./postgres-database.ts";
import type { PostgresWriter } from "./postgres-writer.ts";

/** A row that is locked is being appended to, which renews it, or taken over, which the next turn sees: nobody is waited for. */
const RENEW = `
WITH held AS (
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS h (key, epoch, lease)
), free AS (
  SELECT s.key FROM {s}.sessions s JOIN held h ON h.key = s.key AND h.epoch = s.epoch WHERE s.lease_until > ${NOW} FOR UPDATE OF s SKIP LOCKED
), renewed AS (
  UPDATE {s}.sessions s SET lease_until = ${NOW} + h.lease FROM free f JOIN held h ON h.key = f.key WHERE s.key = f.key AND s.epoch = h.epoch
  RETURNING s.key
)
SELECT h.key, h.epoch, CASE WHEN s.epoch IS DISTINCT FROM h.epoch THEN 'taken_over'
  WHEN r.key IS NULL AND s.lease_until <= ${NOW} THEN 'lease_over' ELSE 'held' END
FROM held h LEFT JOIN {s}.sessions s ON s.key = h.key LEFT JOIN renewed r ON r.key = h.key`;

/** Leases that are renewed more often are shorter than a thread needs to begin. */
const LEAST_KEPT_MS = 300;

/** What the thread sends: nothing is asked back but which leases are held. */
const KEEP = `
WITH held AS (
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS h (key, epoch, lease)
), free AS (
  SELECT s.key FROM {s}.sessions s JOIN held h ON h.key = s.key AND h.epoch = s.epoch WHERE s.lease_until > ${NOW} FOR UPDATE OF s SKIP LOCKED
)
UPDATE {s}.sessions s SET lease_until = ${NOW} + h.lease FROM free f JOIN held h ON h.key = f.key WHERE s.key = f.key AND s.epoch = h.epoch
RETURNING s.key`;

/**
 * Renews all leases of the process in one statement, three times in the shortest of them, and looks which were lost. From the second turn on
 * a thread renews them too, so that none is lost because the main thread computes.
 */
export class LeaseRenewal {
  readonly #database: PostgresDatabase;
  readonly #writers = new Set<PostgresWriter>();
  #timer: NodeJS.Timeout | undefined;
  #everyMs = Number.POSITIVE_INFINITY;
  #isRenewing = false;
  #keeper: LeaseKeeper | undefined;

  constructor(database: PostgresDatabase) {
    this.#database = database;
  }

  add(writer: PostgresWriter): void {
    this.#writers.add(writer);
    this.#keep(writer);
    const everyMs = Math.max(1, writer.queue.leaseMs / 3);
    if (everyMs >= this.#everyMs) return;
    clearInterval(this.#timer);
    this.#everyMs = everyMs;
    this.#timer = setInterval(() => void this.#renew(), everyMs);
    // Who only holds a session, and neither writes nor waits for anything, does not keep the process alive.
    this.#timer.unref();
  }

  remove(writer: PostgresWriter): void {
    this.#writers.delete(writer);
    this.#keeper?.remove(nameOf(writer));
    if (this.#writers.size === 0) this.#rest();
  }

  async stop(): Promise<void> {
    this.#rest();
    await this.#keeper?.stop();
    this.#keeper = undefined;
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#everyMs = Number.POSITIVE_INFINITY;
  }

  /** A process whose sessions end within a third of a lease needs no thread. */
  #startKeeper(): void {
    const { target } = this.#database;
    this.#keeper = new LeaseKeeper({
      url: target.url,
      sql: KEEP.replaceAll("{s}", target.schema),
      everyMs: this.#everyMs,
      applicationName: "skein leases",
    });
    for (const writer of this.#writers) this.#keep(writer);
  }

  #keep(writer: PostgresWriter): void {
    this.#keeper?.add(nameOf(writer), [writer.key, writer.epoch, Math.round(writer.queue.leaseMs)]);
  }

  async #renew(): Promise<void> {
    if (this.#isRenewing) return;
    if (this.#keeper === undefined && this.#everyMs >= LEAST_KEPT_MS) this.#startKeeper();
    this.#isRenewing = true;
    const writers = [...this.#writers];
    try {
      const rows = (await this.#database.query("control", RENEW, [
        toArray(writers.map(({ key }) => key)),
        toArray(writers.map(({ epoch }) => epoch)),
        toArray(writers.map(({ queue }) => Math.round(queue.leaseMs))),
      ])) as [number, number, "taken_over" | "lease_over" | "held"][];
      for (const [key, epoch, what] of rows) {
        if (what === "held") continue;
        const writer = writers.find((one) => one.key === key && one.epoch === epoch);
        // An append that is on its way may have renewed the lease; if not, it is refused and says so.
        if (writer?.queue.isInFlight === false) writer.lose(what);
      }
    } catch {
      // A server that is gone is told to whoever appends next; the next turn of the timer may find it well again.
    } finally {
      this.#isRenewing = false;
    }
  }
}

function nameOf({ key, epoch }: PostgresWriter): string {
  return `${key} ${epoch}`;
}
