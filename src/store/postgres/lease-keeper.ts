import { Worker } from "node:worker_threads";

/** What is kept: a statement that renews rows, and how it is sent. */
export interface LeaseKeeperOptions {
  readonly url: string;
  /** Takes as many arrays as an entry has values, and answers with one row for each that it renewed. */
  readonly sql: string;
  readonly everyMs: number;
  readonly applicationName: string;
  /**
   * So long may the process's main thread be busy with one thing; then its leases are left to run out, for it may hang for good.
   * Default 300,000.
   */
  readonly mostBusyMs?: number;
}

/** What the thread is started with. The two numbers that both sides share are nanoseconds of the one clock that never jumps. */
export interface LeaseKeeperData extends Required<LeaseKeeperOptions> {
  /** When the main thread was last seen, and when the sending of the last statement began that renewed anything. */
  readonly clock: BigInt64Array;
}

export const SEEN = 0;
export const RENEWED = 1;

export type LeaseEntry = readonly (string | number)[];

export type ToLeaseKeeper = { readonly add: string; readonly entry: LeaseEntry } | { readonly remove: string };

const DEFAULT_MOST_BUSY_MS = 300_000;

/**
 * Renews leases from a thread of its own, on a connection of its own: a main thread that computes for long is alive. A process that is
 * stopped stops with all of its threads, so its leases run out.
 */
export class LeaseKeeper {
  readonly #worker: Worker;
  readonly #clock: BigInt64Array;
  readonly #seen: NodeJS.Timeout;

  constructor({ mostBusyMs = DEFAULT_MOST_BUSY_MS, ...options }: LeaseKeeperOptions) {
    this.#clock = new BigInt64Array(new SharedArrayBuffer(16));
    this.#see();
    const workerData: LeaseKeeperData = { ...options, mostBusyMs, clock: this.#clock };
    this.#worker = new Worker(new URL("./lease-keeper-thread.js", import.meta.url), {
      workerData,
      name: "skein-leases",
    });
    // Without the thread the main thread's own renewal is what there is.
    this.#worker.on("error", () => {});
    this.#worker.unref();
    this.#seen = setInterval(() => this.#see(), Math.min(1_000, options.everyMs));
    this.#seen.unref();
  }

  add(id: string, entry: LeaseEntry): void {
    this.#post({ add: id, entry });
  }

  remove(id: string): void {
    this.#post({ remove: id });
  }

  /** How long ago the last statement was sent that renewed anything, in milliseconds; infinite if none was. */
  get sinceRenewedMs(): number {
    return toMsSince(Atomics.load(this.#clock, RENEWED));
  }

  async stop(): Promise<void> {
    clearInterval(this.#seen);
    await this.#worker.terminate();
  }

  #post(message: ToLeaseKeeper): void {
    this.#worker.postMessage(message);
  }

  #see(): void {
    Atomics.store(this.#clock, SEEN, process.hrtime.bigint());
  }
}

/** @param at zero: never */
export function toMsSince(at: bigint): number {
  return at === 0n ? Number.POSITIVE_INFINITY : Number(process.hrtime.bigint() - at) / 1_000_000;
}
