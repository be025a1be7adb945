/** A writer of this process, as its thread knows it. */
export interface Lease {
  readonly key: number;
  readonly epoch: number;
  readonly leaseMs: number;
  /** The last segment, where it may still take a few more lines. */
  tail: { readonly firstSeq: number; readonly bytes: number } | undefined;
}

/**
 * The leases that this process holds. Whether one is over is told by the clock that counts while the process stands still and that nobody can set:
 * a process that was stopped for longer than its lease must not write, even if nobody has taken the session over yet,
 * while a wall clock that jumps fences no healthy writer.
 */
export class OpenLeases {
  readonly #leases = new Map<number, { lease: Lease; renewedAt: number }>();
  readonly #monotonic: () => number;

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  get size(): number {
    return this.#leases.size;
  }

  /** The shortest of the leases, by which they are renewed. */
  shortestMs(): number {
    return Math.min(...Array.from(this.#leases.values(), ({ lease }) => lease.leaseMs));
  }

  open(key: number, epoch: number, leaseMs: number): Lease | undefined {
    const older = this.#leases.get(key)?.lease;
    this.#leases.set(key, { lease: { key, epoch, leaseMs, tail: undefined }, renewedAt: this.#monotonic() });
    return older;
  }

  /** The lease under which an append may be written, or why there is none. */
  check(key: number, epoch: number): Lease | "taken_over" | "lease_over" {
    const held = this.#leases.get(key);
    if (held === undefined || held.lease.epoch !== epoch) return "taken_over";
    if (this.#monotonic() - held.renewedAt <= held.lease.leaseMs) return held.lease;
    this.#leases.delete(key);
    return "lease_over";
  }

  /** To be called with the moment before the transaction that renewed it in the database. */
  renew(key: number, at: number): void {
    const held = this.#leases.get(key);
    if (held !== undefined) held.renewedAt = at;
  }

  drop(key: number, epoch: number): void {
    if (this.#leases.get(key)?.lease.epoch === epoch) this.#leases.delete(key);
  }

  all(): Lease[] {
    return Array.from(this.#leases.values(), ({ lease }) => lease);
  }
}
