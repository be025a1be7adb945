import type { OpenLeases } from "./open-leases.ts";
import { inTransaction } from "./sqlite-binding.ts";
import type { Database } from "./sqlite-binding.ts";

/** A lease that turned out to be gone. */
export interface LostLease {
  readonly key: number;
  readonly epoch: number;
  readonly why: "taken_over" | "lease_over";
}

/**
 * Renews all leases of the process in one statement, three times in a lease. It runs on the writer's thread,
 * so that a main thread that computes for long does not lose its sessions.
 */
export class LeaseRenewal {
  readonly #database: Database;
  readonly #leases: OpenLeases;
  readonly #monotonic: () => number;
  readonly #onLost: (lost: LostLease) => void;
  #timer: NodeJS.Timeout | undefined;
  #everyMs = Number.POSITIVE_INFINITY;

  constructor(database: Database, leases: OpenLeases, monotonic: () => number, onLost: (lost: LostLease) => void) {
    this.#database = database;
    this.#leases = leases;
    this.#monotonic = monotonic;
    this.#onLost = onLost;
  }

  /** Sees to it that the timer runs as often as the shortest lease needs, and not at all without one. */
  schedule(): void {
    if (this.#leases.size === 0) {
      this.stop();
      return;
    }
    const everyMs = Math.max(1, this.#leases.shortestMs() / 3);
    if (everyMs >= this.#everyMs) return;
    this.stop();
    this.#everyMs = everyMs;
    this.#timer = setInterval(() => this.#renew(), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#everyMs = Number.POSITIVE_INFINITY;
  }

  #renew(): void {
    const before = this.#monotonic();
    const now = Date.now();
    const held: (readonly [key: number, epoch: number, leaseMs: number])[] = [];
    const lost: LostLease[] = [];
    for (const { key, epoch, leaseMs } of this.#leases.all()) {
      const lease = this.#leases.check(key, epoch);
      if (lease === "taken_over" || lease === "lease_over") lost.push({ key, epoch, why: lease });
      else held.push([key, epoch, leaseMs]);
    }
    try {
      const renewed = new Set(inTransaction(this.#database, () => this.#update(held, now)));
      for (const [key, epoch] of held) {
        if (renewed.has(key)) {
          this.#leases.renew(key, before);
        } else {
          this.#leases.drop(key, epoch);
          lost.push({ key, epoch, why: "taken_over" });
        }
      }
    } catch {
      // A disk that fails is told to whoever appends next; the next turn of the timer may find it well again.
    }
    for (const one of lost) this.#onLost(one);
    if (this.#leases.size === 0) this.stop();
  }

  #update(held: readonly (readonly [number, number, number])[], now: number): number[] {
    if (held.length === 0) return [];
    const rows = this.#database
      .prepare(
        `UPDATE sessions SET lease_until = ? + (h.value ->> 2) FROM json_each(?) AS h
         WHERE sessions.key = (h.value ->> 0) AND sessions.epoch = (h.value ->> 1) RETURNING sessions.key`,
      )
      .raw()
      .all([now, JSON.stringify(held)]) as [number][];
    return rows.map(([key]) => key);
  }
}
