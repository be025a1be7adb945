import { StoreError } from "../../errors.ts";
import { killPoint } from "../../internal/kill-point.ts";
import { storeClosed } from "../store-faults.ts";
import { AppendBatch } from "./append-batch.ts";
import type { AppendQueue, AppendRequest } from "./append-queue.ts";
import type { WriterShare } from "./append-statement.ts";
import { APPENDS_IN_FLIGHT } from "./postgres-database.ts";
import type { PostgresDatabase } from "./postgres-database.ts";
import { toStoreError } from "./postgres-failure.ts";

/** So many characters are the most of one statement, and one append more. */
const BATCH_CHARACTERS = 512 * 1024;

/**
 * The row is held until the part is there: who takes the session over comes before it or after it. What a writer left that died on the way
 * is written over.
 */
const PUT_PART = `
WITH live AS (
  SELECT key FROM {s}.sessions WHERE key = $1 AND epoch = $2 AND last_seq < $3 FOR SHARE
), put AS (
  INSERT INTO {s}.segment_parts (session, seq, part, text) SELECT key, $3::bigint, $4::integer, $5 FROM live
  ON CONFLICT (session, seq, part) DO UPDATE SET text = excluded.text RETURNING 1
)
SELECT set_config('synchronous_commit', 'on', true) FROM put`;

/**
 * Group commit over all sessions of the process: what is asked for while statements are on their way gathers here, and is the next statement.
 * The appends of one writer are never in two statements at once, so they take effect in their order.
 * After the first failure nothing more is sent.
 */
export class AppendChannel {
  readonly #database: PostgresDatabase;
  readonly #durability: "disk" | "process";
  /** Writers that wait for a place in a statement, the longest first. */
  readonly #ready = new Set<AppendQueue>();
  #inFlight = 0;
  #isScheduled = false;
  #failure: StoreError | undefined;
  readonly #idleWaiters: (() => void)[] = [];
  /** Hears of the failure, and of what all that comes later is refused with. */
  onFailure: (failure: StoreError, refusal: StoreError) => void = () => {};

  constructor(database: PostgresDatabase, durability: "disk" | "process") {
    this.#database = database;
    this.#durability = durability;
  }

  append(queue: AppendQueue, request: AppendRequest): void {
    if (this.#failure !== undefined) {
      request.fail(this.refusal());
      return;
    }
    queue.waiting.push(request);
    if (!queue.isInFlight) this.#ready.add(queue);
    this.#schedule();
  }

  /**
   * Stores a part of a large event ahead of the append that makes it part of the log, without keeping the appends of others waiting.
   * It is on the disk when its answer comes: a server that crashes and starts again between a part and its append must not have lost it.
   *
   * @returns false where the writer is not the session's any more
   */
  async putPart({ key, epoch }: AppendQueue, seq: number, part: number, text: string): Promise<boolean> {
    const refusal = this.refusal();
    if (refusal !== undefined) throw refusal;
    try {
      return (await this.#database.query("control", PUT_PART, [key, epoch, seq, part, text])).length > 0;
    } catch (cause) {
      const error = toStoreError(cause, this.#database.target.name);
      this.fail(error);
      throw error;
    }
  }

  /** Why nothing is accepted any more; undefined while all is well. */
  refusal(): StoreError | undefined {
    const failure = this.#failure;
    if (failure === undefined || failure.code === "store_closed") return failure;
    return new StoreError(
      "store_closed",
      `The store ${this.#database.target.name} refuses writes since one failed; open it again. The failure was: ${failure.message}`,
      { cause: failure },
    );
  }

  /** A write failed: nobody knows what became of it, so nothing more is written by this store. */
  fail(failure: StoreError): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    for (const queue of this.#ready) for (const request of queue.waiting.splice(0)) request.fail(failure);
    this.#ready.clear();
    if (failure.code !== "store_closed") this.onFailure(failure, this.refusal() as StoreError);
    this.#settleIdle();
  }

  /** Waits until everything that was asked for is settled; what comes later is refused. */
  async close(): Promise<void> {
    if (!this.#isIdle) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    this.fail(storeClosed());
  }

  get #isIdle(): boolean {
    return this.#inFlight === 0 && this.#ready.size === 0;
  }

  #settleIdle(): void {
    if (this.#isIdle) for (const wake of this.#idleWaiters.splice(0)) wake();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#sendReady();
    });
  }

  #sendReady(): void {
    while (this.#inFlight < APPENDS_IN_FLIGHT && this.#ready.size > 0 && this.#failure === undefined) {
      const shares: WriterShare[] = [];
      let characters = 0;
      for (const queue of this.#ready) {
        if (characters >= BATCH_CHARACTERS) break;
        this.#ready.delete(queue);
        const share = takeShare(queue, BATCH_CHARACTERS - characters);
        characters += share.characters;
        queue.isInFlight = true;
        shares.push(share);
      }
      this.#inFlight += 1;
      void this.#send(shares);
    }
  }

  async #send(shares: readonly WriterShare[]): Promise<void> {
    try {
      killPoint("before-append");
      const { outcomes, begun, refound } = await new AppendBatch(this.#database, this.#durability, shares).store();
      killPoint("after-flush");
      this.#land(shares);
      for (const share of shares) {
        const outcome = outcomes.get(share) ?? "taken_over";
        for (const request of share.requests) {
          const { begins } = request;
          const key = begins === undefined ? undefined : begun.get(begins);
          // Made by the attempt whose answer never came, and closed since by whoever took over: not an id that was taken.
          const isTakenOver = begins !== undefined && key === undefined && refound.has(share);
          request.settle(isTakenOver ? "taken_over" : outcome, key);
        }
      }
    } catch (cause) {
      const error = toStoreError(cause, this.#database.target.name);
      this.#inFlight -= 1;
      for (const { queue } of shares) queue.isInFlight = false;
      for (const { requests } of shares) for (const request of requests) request.fail(error);
      // A lease that could not be given up runs out by itself: no event was lost with it.
      if (shares.every(({ characters, requests }) => characters === 0 && requests.every(({ releases }) => releases))) {
        this.#sendReady();
      } else {
        for (const { queue } of shares) for (const request of queue.waiting.splice(0)) request.fail(error);
        this.fail(error);
      }
    }
    this.#settleIdle();
  }

  /** The next statement is on its way before anybody hears of this one. */
  #land(shares: readonly WriterShare[]): void {
    this.#inFlight -= 1;
    for (const { queue } of shares) {
      queue.isInFlight = false;
      if (queue.waiting.length > 0 && this.#failure === undefined) this.#ready.add(queue);
    }
    this.#sendReady();
  }
}

/** The oldest of what a writer has asked for. */
function takeShare(queue: AppendQueue, limit: number): WriterShare {
  let characters = 0;
  let count = 0;
  while (count < queue.waiting.length && (count === 0 || characters < limit)) {
    const { lines, begins } = queue.waiting[count] as AppendRequest;
    for (const line of lines) characters += line.length + 1;
    for (const line of begins?.lines ?? []) characters += line.length + 1;
    count += 1;
  }
  return { queue, requests: queue.waiting.splice(0, count), characters };
}
