/** A writer of this process, as whoever executes its commands knows it. */
export interface Lease {
  readonly key: number;
  readonly epoch: number;
  readonly leaseMs: number;
  /** The last row, where it may still take a few more events, and the time of its last one. */
  tail: { readonly firstSeq: number; readonly bytes: number; readonly endsAt: number } | undefined;
}

/** Writers that a process can have open in one store at the same time. */
const MAX_LEASES = 16_384;

/** Numbers of one lease: key (0: free), epoch, leaseMs, when it was renewed, and its tail's first position (0: none), bytes and time. */
const FIELDS = 7;
const [KEY, EPOCH, LEASE_MS, RENEWED_AT, TAIL_SEQ, TAIL_BYTES, TAIL_ENDS_AT] = [0, 1, 2, 3, 4, 5, 6] as const;

/** Memory for the leases of one store, to be shared between its threads. What is not used of it is never touched. */
export function createLeaseMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer((1 + MAX_LEASES * FIELDS) * Float64Array.BYTES_PER_ELEMENT);
}

/** One clock for all threads of the process, which counts while the process stands still and which nobody can set. */
export function readMonotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/**
 * The leases that this process holds. Whether one is over is told by the clock that counts while the process stands still and that nobody can set:
 * a process that was stopped for longer than its lease must not write, even if nobody has taken the session over yet,
 * while a wall clock that jumps fences no healthy writer.
 *
 * Commands are executed by one thread at a time, and only they open and drop. The renewal may run beside them: it moves the time of leases and
 * nothing else, so that the worst that a race can do is a lease that counts from a moment too early.
 */
export class OpenLeases {
  /** The first number is how many places were ever in use. */
  readonly #numbers: Float64Array;
  readonly #monotonic: () => number;
  /** Where a lease was seen last; another thread may have moved it. */
  readonly #places = new Map<number, number>();

  constructor(monotonic: () => number = readMonotonicMs, memory: SharedArrayBuffer = createLeaseMemory()) {
    this.#numbers = new Float64Array(memory);
    this.#monotonic = monotonic;
  }

  get size(): number {
    return this.all().length;
  }

  open(key: number, epoch: number, leaseMs: number): Lease {
    const place = this.#find(key) ?? this.#free();
    const numbers = this.#numbers;
    numbers[place + EPOCH] = epoch;
    numbers[place + LEASE_MS] = leaseMs;
    numbers[place + RENEWED_AT] = this.#monotonic();
    numbers[place + TAIL_SEQ] = 0;
    numbers[place + KEY] = key;
    this.#places.set(key, place);
    return new LeaseInMemory(numbers, place);
  }

  /** The lease under which an append may be written, or why there is none. */
  check(key: number, epoch: number): Lease | "taken_over" | "lease_over" {
    const place = this.#find(key);
    if (place === undefined || this.#numbers[place + EPOCH] !== epoch) return "taken_over";
    const lease = new LeaseInMemory(this.#numbers, place);
    if (!this.isOver(lease)) return lease;
    this.drop(key, epoch);
    return "lease_over";
  }

  /** True where a lease was not renewed in its time. */
  isOver({ key, leaseMs }: Lease): boolean {
    const place = this.#find(key);
    return place !== undefined && this.#monotonic() - (this.#numbers[place + RENEWED_AT] as number) > leaseMs;
  }

  /** To be called with the moment before the transaction that renewed it in the database. */
  renew(key: number, epoch: number, at: number): void {
    const place = this.#find(key);
    if (place !== undefined && this.#numbers[place + EPOCH] === epoch) this.#numbers[place + RENEWED_AT] = at;
  }

  drop(key: number, epoch: number): void {
    const place = this.#find(key);
    if (place === undefined || this.#numbers[place + EPOCH] !== epoch) return;
    this.#numbers[place + KEY] = 0;
    this.#places.delete(key);
  }

  all(): Lease[] {
    const leases: Lease[] = [];
    for (let index = 0; index < this.#used; index++) {
      const place = 1 + index * FIELDS;
      if (this.#numbers[place + KEY] !== 0) leases.push(new LeaseInMemory(this.#numbers, place));
    }
    return leases;
  }

  get #used(): number {
    return this.#numbers[0] as number;
  }

  #find(key: number): number | undefined {
    const seen = this.#places.get(key);
    if (seen !== undefined && this.#numbers[seen + KEY] === key) return seen;
    this.#places.delete(key);
    for (let index = 0; index < this.#used; index++) {
      const place = 1 + index * FIELDS;
      if (this.#numbers[place + KEY] !== key) continue;
      this.#places.set(key, place);
      return place;
    }
    return undefined;
  }

  #free(): number {
    for (let index = 0; index < this.#used; index++)
      if (this.#numbers[1 + index * FIELDS + KEY] === 0) return 1 + index * FIELDS;
    if (this.#used === MAX_LEASES) throw new Error(`a process can write ${MAX_LEASES} sessions of a store at a time`);
    this.#numbers[0] = this.#used + 1;
    return 1 + (this.#used - 1) * FIELDS;
  }
}

class LeaseInMemory implements Lease {
  readonly key: number;
  readonly epoch: number;
  readonly leaseMs: number;
  readonly #numbers: Float64Array;
  readonly #place: number;

  constructor(numbers: Float64Array, place: number) {
    this.key = numbers[place + KEY] as number;
    this.epoch = numbers[place + EPOCH] as number;
    this.leaseMs = numbers[place + LEASE_MS] as number;
    this.#numbers = numbers;
    this.#place = place;
  }

  get tail(): Lease["tail"] {
    const firstSeq = this.#numbers[this.#place + TAIL_SEQ] as number;
    if (firstSeq === 0) return undefined;
    const [bytes, endsAt] = [this.#numbers[this.#place + TAIL_BYTES], this.#numbers[this.#place + TAIL_ENDS_AT]];
    return { firstSeq, bytes: bytes as number, endsAt: endsAt as number };
  }

  set tail(tail: Lease["tail"]) {
    this.#numbers[this.#place + TAIL_SEQ] = tail?.firstSeq ?? 0;
    this.#numbers[this.#place + TAIL_BYTES] = tail?.bytes ?? 0;
    this.#numbers[this.#place + TAIL_ENDS_AT] = tail?.endsAt ?? 0;
  }
}
