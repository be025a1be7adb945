import { readMonotonicMs } from "./open-leases.ts";
import type { OpenLeases } from "./open-leases.ts";
import { inTransaction } from "./sqlite-binding.ts";
import type { Database } from "./sqlite-binding.ts";

/** A lease that turned out to be gone. */
export interface LostLease {
  readonly key: number;
  readonly epoch: number;
  readonly why: "taken_over" | "lease_over";
}

/** Leases so long are renewed by a timer that may go on where there is none: it does next to nothing then. */
export function isSteady(leaseMs: number): boolean {
  return leaseMs >= 3_000;
}

/**
 * Renews all leases of the process in one statement, three times in a lease. It runs on the writer's thread,
 * so that a main thread that computes for long does not lose its sessions.
 */
export class LeaseRenewal {
  readonly #database: Database;
  readonly #leases: OpenLeases;
  readonly #onLost: (lost: LostLease) => void;
  #timer: NodeJS.Timeout | undefined;
  #everyMs = Number.POSITIVE_INFINITY;
  /** What the timer goes back to when it ran fast and no lease is left. */
  #steadyMs = Number.POSITIVE_INFINITY;

  /** @param onLost hears of each lease that is gone; dropping it is for whoever opens leases */
  constructor(database: Database, leases: OpenLeases, onLost: (lost: LostLease) => void) {
    this.#database = database;
    this.#leases = leases;
    this.#onLost = onLost;
  }

  /** Sees to it that the timer runs as often as a lease of such a length needs. */
  schedule(leaseMs: number): void {
    const everyMs = Math.max(1, leaseMs / 3);
    if (isSteady(leaseMs)) this.#steadyMs = Math.min(this.#steadyMs, everyMs);
    if (everyMs < this.#everyMs) this.#run(everyMs);
  }

  stop(): void {
    this.#steadyMs = Number.POSITIVE_INFINITY;
    this.#run(Number.POSITIVE_INFINITY);
  }

  #run(everyMs: number): void {
    clearInterval(this.#timer);
    this.#everyMs = everyMs;
    this.#timer = Number.isFinite(everyMs) ? setInterval(() => this.#renew(), everyMs) : undefined;
  }

  #renew(): void {
    const before = readMonotonicMs();
    const now = Date.now();
    const held: (readonly [key: number, epoch: number, leaseMs: number])[] = [];
    const lost: LostLease[] = [];
    for (const lease of this.#leases.all()) {
      const { key, epoch, leaseMs } = lease;
      if (this.#leases.isOver(lease)) lost.push({ key, epoch, why: "lease_over" });
      else held.push([key, epoch, leaseMs]);
    }
    try {
      const renewed = new Set(held.length === 0 ? [] : inTransaction(this.#database, () => this.#update(held, now)));
      for (const [key, epoch] of held) {
        if (renewed.has(key)) this.#leases.renew(key, epoch, before);
        else lost.push({ key, epoch, why: "taken_over" });
      }
    } catch {
      // A disk that fails is told to whoever appends next; the next turn of the timer may find it well again.
    }
    for (const one of lost) this.#onLost(one);
    if (this.#everyMs < this.#steadyMs && this.#leases.size === 0) this.#run(this.#steadyMs);
  }

  #update(held: readonly (readonly [number, number, number])[], now: number): number[] {
    const rows = this.#database
      .prepare(
        `UPDATE sessions SET lease_until = ? + (h.value ->> 2) FROM json_each(?) AS h
         WHERE sessions.key = (h.value ->> 0) AND sessions.epoch = (h.value ->> 1)
         AND sessions.owner IS NOT NULL RETURNING sessions.key`,
      )
      .raw()
      .all([now, JSON.stringify(held)]) as [number][];
    return rows.map(([key]) => key);
  }
}
