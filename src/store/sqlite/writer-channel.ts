import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { StoreError } from "../../errors.ts";
import { storeClosed } from "../store-faults.ts";
import { DIRECT_CHARACTERS, DirectWriter } from "./direct-writer.ts";
import { GatheredAppend } from "./gathered-append.ts";
import type { AppendRequest, Waiting } from "./gathered-append.ts";
import { isSteady } from "./lease-renewal.ts";
import { createLeaseMemory } from "./open-leases.ts";
import { toSqliteFailure } from "./sqlite-binding.ts";
import { isOpening } from "./sqlite-command.ts";
import type { CommandResult, FromThread, SqliteCommand, ThreadOptions, ToThread } from "./sqlite-command.ts";

/** Transactions that are on their way: one that is flushed, and one that is ready for the thread when it is done. */
const MAX_IN_FLIGHT = 2;

/** So much is sent at once, without waiting for the end of the turn of the event loop. */
const SEND_AT_CHARACTERS = 256 * 1024;

/**
 * A message carries no more than this and one append: it is copied for the thread in one go, a millisecond or so, and its transaction
 * is long enough that the flush at its end hardly counts. What is left over is the next message.
 */
const MESSAGE_CHARACTERS = 512 * 1024;

/** A transaction is a page or a few: this many are what the database itself would wait for before it brings the -wal into the file. */
const COMMITS_PER_CHECKPOINT = 256;

/** So many callers hear of a commit in one turn of the event loop; the others in the next, so that timers and sockets get theirs. */
const SETTLE_PER_TURN = 256;

/** What gathers for a transaction, and who waits for it. */
interface Entry {
  readonly command: SqliteCommand | GatheredAppend;
  readonly waiting: Waiting;
}

interface Answer {
  readonly to: Waiting;
  readonly result: CommandResult;
}

export interface LostNotice {
  readonly key: number;
  readonly epoch: number;
  readonly why: "taken_over" | "lease_over";
}

/**
 * The main thread's side of the writer's thread: group commit over all sessions of the process.
 * What is asked for while a transaction is flushed gathers here, and is the next transaction.
 * After the first failure nothing more is sent, for nobody knows what reached the disk.
 */
export class WriterChannel {
  readonly #worker: Worker;
  readonly #path: string;
  /** Present where no write waits for the disk. */
  readonly #direct: DirectWriter | undefined;
  /** What the thread renews at least as often as. */
  #renewedLeaseMs = Number.POSITIVE_INFINITY;
  /** Written here since the thread was asked to bring the -wal into the file. */
  #directCommits = 0;
  #isCheckpointing = false;
  #gathered: Entry[] = [];
  #gatheredCharacters = 0;
  /** By writer: the append at the end of `#gathered` that more events may join. */
  #open = new Map<number, GatheredAppend>();
  /** What is durable, and not told yet. */
  readonly #answers: Answer[] = [];
  readonly #inFlight = new Map<number, readonly Waiting[]>();
  #nextId = 1;
  #isScheduled = false;
  #hasExited = false;
  readonly #idleWaiters: (() => void)[] = [];
  #failure: StoreError | undefined;
  onLost: (notice: LostNotice) => void = () => {};
  /** Hears of the failure, and of what all that comes later is refused with. */
  onFailure: (failure: StoreError, refusal: StoreError) => void = () => {};

  private constructor(worker: Worker, path: string, direct: DirectWriter | undefined) {
    this.#worker = worker;
    this.#path = path;
    this.#direct = direct;
    worker.on("message", (message: FromThread) => this.#receive(message));
    worker.on("error", (error) =>
      this.#fail(
        new StoreError(
          "store_failed",
          `The thread that writes ${path} broke down: ${String(error)}. Open the store again.`,
          { cause: error },
        ),
      ),
    );
    worker.on("exit", () => {
      this.#hasExited = true;
      this.#fail(new StoreError("store_failed", `The thread that writes ${path} ended. Open the store again.`));
    });
  }

  static async open({ path, durability }: Omit<ThreadOptions, "leases">): Promise<WriterChannel> {
    const leases = createLeaseMemory();
    const options: ThreadOptions = { path, durability, leases };
    const worker = new Worker(new URL("./sqlite-writer-thread.js", import.meta.url), {
      workerData: options,
      name: "skein-store",
    });
    await isOpened(worker, path);
    const direct = durability === "process" ? await DirectWriter.open(path, leases) : undefined;
    const channel = new WriterChannel(worker, path, direct);
    channel.#keepAlive(false);
    return channel;
  }

  /** Does one thing in the order of the calls. Rejects where the database failed; a refusal is a result. */
  send(command: SqliteCommand): Promise<CommandResult> {
    if (this.#failure !== undefined) return Promise.reject(this.#refusal(this.#failure));
    return new Promise((settle, fail) => {
      // Appends that come later must not overtake it by joining an earlier one.
      this.#open.clear();
      this.#gathered.push({ command, waiting: { settle, fail } });
      this.#schedule();
    });
  }

  /** Appends, together with whatever else its writer appends before the next transaction begins. */
  append(request: AppendRequest, waiting: Waiting): void {
    if (this.#failure !== undefined) {
      waiting.fail(this.#refusal(this.#failure));
      return;
    }
    let append = this.#open.get(request.key);
    if (append === undefined || append.epoch !== request.epoch) {
      append = new GatheredAppend(request);
      this.#open.set(request.key, append);
      this.#gathered.push({ command: append, waiting: append });
    }
    this.#gatheredCharacters += append.add(request, waiting);
    this.#schedule();
  }

  /** Gives freed space back to the file system, as far as readers of other processes let it. */
  compact(): Promise<CommandResult> {
    if (this.#failure !== undefined) return Promise.reject(this.#refusal(this.#failure));
    return new Promise((settle, fail) => {
      const id = this.#nextId++;
      this.#inFlight.set(id, [{ settle, fail }]);
      this.#keepAlive(true);
      this.#worker.postMessage({ type: "compact", id } satisfies ToThread);
    });
  }

  /** Waits for everything that was asked for, then ends the thread. */
  async close(): Promise<void> {
    await this.#idle();
    // Whatever came since then comes too late.
    this.#fail(storeClosed());
    const ended = new Promise<void>((resolve) => {
      if (this.#hasExited) resolve();
      else this.#worker.once("exit", () => resolve());
    });
    this.#direct?.close();
    this.#keepAlive(true);
    this.#worker.postMessage({ type: "close" } satisfies ToThread);
    await ended;
  }

  #idle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  #schedule(): void {
    if (this.#gatheredCharacters >= SEND_AT_CHARACTERS) this.#sendGathered();
    if (this.#isScheduled || this.#gathered.length === 0) return;
    this.#isScheduled = true;
    this.#keepAlive(true);
    setImmediate(() => {
      this.#isScheduled = false;
      this.#sendGathered();
    });
  }

  #sendGathered(): void {
    while (this.#gathered.length > 0 && this.#inFlight.size < MAX_IN_FLIGHT && this.#failure === undefined) {
      const waiting: Waiting[] = [];
      const commands: SqliteCommand[] = [];
      let characters = 0;
      for (const entry of this.#takeGathered()) {
        const { command } = entry;
        waiting.push(entry.waiting);
        commands.push(command instanceof GatheredAppend ? command.toCommand() : command);
        if (command instanceof GatheredAppend) characters += command.characters;
      }
      if (this.#commitHere(waiting, commands, characters)) continue;
      const id = this.#nextId++;
      this.#inFlight.set(id, waiting);
      this.#keepAlive(true);
      this.#worker.postMessage({ type: "commit", id, commands } satisfies ToThread);
    }
  }

  /** Executes small work at once where it need not wait for the disk, nor for what is on its way to the thread. */
  #commitHere(entries: readonly Waiting[], commands: readonly SqliteCommand[], characters: number): boolean {
    if (this.#direct === undefined || this.#inFlight.size > 0 || characters > DIRECT_CHARACTERS) return false;
    // The thread is behind with the -wal: what is written now waits until it has caught up.
    if (this.#isCheckpointing && this.#directCommits >= COMMITS_PER_CHECKPOINT) return false;
    try {
      const results = this.#direct.commit(commands);
      if (results === undefined) return false;
      this.#settle(entries, results);
    } catch (error) {
      const { code, message } = toSqliteFailure(error, this.#path);
      this.#worker.postMessage({ type: "fail" } satisfies ToThread);
      const failure = new StoreError(code, message);
      for (const entry of entries) entry.fail(failure);
      this.#fail(failure);
      return true;
    }
    for (const command of commands) if (isOpening(command)) this.#renew(command.leaseMs);
    this.#directCommits += 1;
    if (this.#directCommits >= COMMITS_PER_CHECKPOINT && !this.#isCheckpointing) {
      this.#directCommits = 0;
      this.#isCheckpointing = true;
      this.#worker.postMessage({ type: "checkpoint" } satisfies ToThread);
    }
    return true;
  }

  /** The thread renews leases also while this one computes. */
  #renew(leaseMs: number): void {
    if (leaseMs >= this.#renewedLeaseMs) return;
    if (isSteady(leaseMs)) this.#renewedLeaseMs = leaseMs;
    this.#worker.postMessage({ type: "renew", leaseMs } satisfies ToThread);
  }

  /** The oldest of what has gathered, in the order of the calls, as much as one message should carry. */
  #takeGathered(): Entry[] {
    let characters = 0;
    let count = 0;
    while (count < this.#gathered.length && characters < MESSAGE_CHARACTERS) {
      const command = (this.#gathered[count] as Entry).command;
      if (command instanceof GatheredAppend) {
        characters += command.characters;
        if (this.#open.get(command.key) === command) this.#open.delete(command.key);
      }
      count += 1;
    }
    this.#gatheredCharacters -= characters;
    if (count < this.#gathered.length) return this.#gathered.splice(0, count);
    const all = this.#gathered;
    this.#gathered = [];
    return all;
  }

  #receive(message: FromThread): void {
    if (message.type === "lost") {
      this.#direct?.drop(message.key, message.epoch);
      this.onLost(message);
    } else if (message.type === "committed") {
      const entries = this.#inFlight.get(message.id) ?? [];
      this.#inFlight.delete(message.id);
      // The thread gets its next transaction before the callers hear of this one.
      if (this.#direct === undefined) this.#sendGathered();
      this.#settle(entries, message.results);
      if (this.#direct !== undefined) this.#sendGathered();
    } else if (message.type === "checkpointed") {
      this.#isCheckpointing = false;
    } else if (message.type === "failed") {
      this.#fail(new StoreError(message.failure.code, message.failure.message));
    }
  }

  #settle(entries: readonly Waiting[], results: readonly CommandResult[]): void {
    const isWaiting = this.#answers.length > 0;
    entries.forEach((to, index) => this.#answers.push({ to, result: results[index] as CommandResult }));
    if (!isWaiting) this.#answerSome();
  }

  /** Tells callers what came of their commands, in the order of the commits. */
  #answerSome(): void {
    let told = 0;
    let count = 0;
    while (count < this.#answers.length && told < SETTLE_PER_TURN) {
      const { to, result } = this.#answers[count] as Answer;
      to.settle(result);
      told += to.weight ?? 1;
      count += 1;
    }
    this.#answers.splice(0, count);
    if (this.#answers.length > 0) setImmediate(() => this.#answerSome());
    else this.#settleIdle();
  }

  get #isIdle(): boolean {
    return this.#gathered.length === 0 && this.#inFlight.size === 0 && this.#answers.length === 0;
  }

  #settleIdle(): void {
    if (!this.#isIdle) return;
    this.#keepAlive(false);
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }

  #fail(failure: StoreError): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    // What was committed before the failure is stored, and is told so.
    for (const { to, result } of this.#answers.splice(0)) to.settle(result);
    const entries = [...[...this.#inFlight.values()].flat(), ...this.#gathered.map(({ waiting }) => waiting)];
    this.#inFlight.clear();
    this.#gathered = [];
    for (const entry of entries) entry.fail(failure);
    if (failure.code !== "store_closed") this.onFailure(failure, this.#refusal(failure));
    this.#settleIdle();
  }

  #refusal(failure: StoreError): StoreError {
    if (failure.code === "store_closed") return failure;
    return new StoreError(
      "store_closed",
      `The store ${this.#path} refuses writes since one failed; open it again. The failure was: ${failure.message}`,
      { cause: failure },
    );
  }

  /** The process may end while nothing is on its way to the disk. */
  #keepAlive(isBusy: boolean): void {
    if (isBusy) this.#worker.ref();
    else this.#worker.unref();
  }
}

/** Waits until the thread has the database open. */
async function isOpened(worker: Worker, path: string): Promise<void> {
  const starting = new AbortController();
  const { signal } = starting;
  try {
    const message = await Promise.race([
      once(worker, "message", { signal }).then(([first]) => first as FromThread),
      once(worker, "exit", { signal }).then(() => undefined),
    ]);
    if (message?.type === "opened") return;
    if (message?.type === "open-failed") throw new StoreError(message.failure.code, message.failure.message);
    throw new StoreError("store_unavailable", `The thread that writes ${path} ended before it had started.`);
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError("store_unavailable", `The thread that writes ${path} could not start: ${String(cause)}.`, {
      cause,
    });
  } finally {
    starting.abort();
  }
}
