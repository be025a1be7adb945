import { BackendError, FencedError, SkeinError, StoreError, ValidationError, isAbortError } from "../errors.ts";
import type { BackendContext, TaskSpec } from "../backend/backend.ts";
import { toErrorDetail } from "../event/error-detail.ts";
import type { BoxEvent, EventBody, FinalBody, StoredEvent } from "../event/event.ts";
import { isReservedEventType } from "../event/event-schema.ts";
import { isLongerThan } from "../event/json-size.ts";
import { copyPlainDelta, parseEventBody } from "../event/parse-event.ts";
import type { Redaction } from "../event/redaction/redactor.ts";
import { RunSummary } from "../event/run-summary.ts";
import { onAbort, toAbortError } from "../internal/abort.ts";
import { createId } from "../internal/ids.ts";
import { inTurns } from "../internal/share-turn.ts";
import type { FirstAppend } from "../store/begin-session.ts";
import type { Session, SessionStore, SessionWriter } from "../store/session-store.ts";
import { onLost } from "../store/writer-loss.ts";
import { BackendPull } from "./backend-pull.ts";
import { beginRedaction } from "./begin-redaction.ts";
import { EventPipe } from "./event-pipe.ts";
import type { OpenSession } from "./open-session.ts";
import { openSession } from "./open-session.ts";
import { cleanUpBackend } from "./run-clean-up.ts";
import { RunEnd } from "./run-end.ts";
import type { RunOutcome } from "./run-end.ts";
import type { StreamTaskOptions } from "./stream-options.ts";
import { DEFAULT_STOP_TIMEOUT_MS } from "./stream-options.ts";

/** An event of more characters is looked through in steps. */
const LARGE_CHARACTERS = 512 * 1024;

/** The log on whose behalf a run is made. */
export interface Principal {
  readonly writer: SessionWriter;
  /** Resolves when all that was appended with the writer is stored and seen. */
  drain(): Promise<void>;
}

/**
 * One execution of a backend in a session, from its `run.started` to its one `final` (L2).
 *
 * `execute` resolves when `final` is stored and the writer is closed; it rejects only where nothing more could be stored
 * (`StoreError`, `FencedError`) or nothing was begun (`ValidationError`).
 */
export class TaskRun {
  readonly runId = createId("run");
  readonly #options: StreamTaskOptions;
  readonly #spec: TaskSpec;
  readonly #store: SessionStore;
  readonly #deliver: (events: readonly StoredEvent[]) => void;
  readonly #principal: Principal | undefined;
  readonly #end = new RunEnd();
  readonly #redaction: Redaction;
  readonly #summary = new RunSummary();
  readonly #startedAt = performance.now();
  #pipe: EventPipe | undefined;
  #iterator: AsyncIterator<EventBody> | undefined;
  /** True once the backend has no more to say: there is nothing to return to. */
  #isExhausted = false;
  /** True once any of the backend's methods was called: from then on it is owed a `stop`. */
  #touched = false;
  /** What the backend threw after the run's end. */
  readonly #late: unknown[] = [];
  /** A failure that comes after the end cannot be the run's own any more, but it is not lost. */
  readonly #onLate = (error: unknown): void => {
    if (!isAbortError(error)) this.#late.push(error);
  };

  constructor(
    options: StreamTaskOptions,
    spec: TaskSpec,
    store: SessionStore,
    deliver: (events: readonly StoredEvent[]) => void,
    principal?: Principal,
  ) {
    this.#options = options;
    this.#spec = spec;
    this.#store = store;
    this.#deliver = deliver;
    this.#principal = principal;
    this.#redaction = beginRedaction(options.redact);
  }

  /** The consumer took so many events. */
  delivered(count: number): void {
    this.#pipe?.delivered(count);
  }

  /** The consumer left: that is an abort (L6), and nobody's pace holds the run back any more. */
  leave(): void {
    this.#end.settle({ status: "aborted", reason: "consumer_left" });
    this.#pipe?.stopDelivering();
  }

  async execute(): Promise<void> {
    const { sessionId = createId("task"), resume = false, takeOver = false, backend, labels, parent } = this.#options;
    const first = resume ? {} : { first: () => this.#firstAppend() };
    const open = await openSession(this.#store, {
      sessionId,
      kind: "task",
      resume,
      takeOver,
      backend: backend.kind,
      ...(labels === undefined ? {} : { labels }),
      ...(parent === undefined ? {} : { parentId: parent.sessionId }),
      ...first,
    });
    const stopListening = this.#listen(open);
    try {
      await this.#run(open);
    } finally {
      stopListening();
      // What was delivered and not taken holds no other stream back.
      this.#pipe?.stopDelivering();
      // A lease that cannot be given up runs out by itself.
      await open.writer.close().catch(() => {});
    }
  }

  /** Everything that can end the run from outside. */
  #listen({ writer }: OpenSession): () => void {
    const { signal, deadlineMs } = this.#options;
    const offAbort = onAbort(signal, () =>
      this.#end.settle({ status: "aborted", reason: "aborted", error: toAbortError(signal as AbortSignal) }),
    );
    const offLost = onLost(writer, (error) => this.#end.settle({ status: "failed", reason: "store_failed", error }));
    const timer =
      deadlineMs === undefined
        ? undefined
        : setTimeout(() => {
            const error = new BackendError(
              "deadline_exceeded",
              `The run did not end within its deadline of ${deadlineMs} ms.`,
            );
            this.#end.settle({ status: "failed", reason: error.code, error });
          }, deadlineMs);
    return () => {
      offAbort();
      offLost();
      clearTimeout(timer);
    };
  }

  get #started(): EventBody {
    const { parent } = this.#options;
    return {
      type: "run.started",
      kind: "task",
      task: { ...this.#spec },
      ...(parent === undefined ? {} : { parent }),
    };
  }

  /** What a new session begins with, before the backend is called. */
  #firstAppend(): FirstAppend {
    const { backend } = this.#options;
    const first: BoxEvent[] = [this.#started];
    // A backend that has neither start nor stop is owed nothing once it is said to have started.
    if (backend.start === undefined && backend.stop === undefined) {
      this.#touched = true;
      first.push(
        { type: "session.created", backend: backend.kind },
        { type: "backend.started", backend: backend.kind },
      );
    }
    const bodies = first.flatMap((body) => this.#redaction.push(body));
    const under = this.#principal?.writer;
    return { bodies, runId: this.runId, ...(under === undefined ? {} : { under }) };
  }

  async #run(open: OpenSession): Promise<void> {
    const pipe = new EventPipe(
      open.writer,
      this.runId,
      (events) => this.#onStored(events),
      (error) => this.#end.settle({ status: "failed", reason: "store_failed", error }),
    );
    this.#pipe = pipe;
    if (this.#end.outcome?.reason === "consumer_left") pipe.stopDelivering();
    if (open.events === undefined) {
      this.#write(pipe, this.#started);
    } else {
      // What the principal has recorded before is seen before, too.
      await this.#principal?.drain();
      for (const event of open.events) this.#summary.add(event);
      pipe.begin(open.events);
    }
    await this.#attempt(open, pipe);
    await this.#close(open, pipe, this.#options.backend.kind);
  }

  /** Calls the backend until there is an outcome. Never throws. */
  async #attempt(open: OpenSession, pipe: EventPipe): Promise<void> {
    try {
      // The backend is touched only once the run is on record.
      await pipe.drain();
      await this.#begin(open, pipe);
      await this.#pull(pipe);
      this.#end.settle({ status: "completed", reason: "completed" });
    } catch (error) {
      const code = SkeinError.is(error) ? error.code : "backend_failed";
      this.#end.settle({ status: "failed", reason: code, error });
    }
  }

  #context({ session, historySeq }: OpenSession, resumeToken: string | undefined): BackendContext {
    const store = this.#store;
    return {
      signal: this.#end.signal,
      sessionId: session.id,
      runId: this.runId,
      ...(resumeToken === undefined ? {} : { resumeToken }),
      history: () => (historySeq === 0 ? nothing() : store.read(session.id, { limit: historySeq })),
    };
  }

  async #begin(open: OpenSession, pipe: EventPipe): Promise<void> {
    const { backend, resume = false } = this.#options;
    if (this.#end.outcome !== undefined) return;
    const isStarted = this.#touched;
    this.#touched = true;
    const { session } = open;
    const before = (): BackendContext => this.#context(open, session.resumeToken);
    const starting = resume ? backend.resume?.(session, this.#spec, before()) : backend.start?.(this.#spec, before());
    const started = starting === undefined ? undefined : await this.#end.orEnd(Promise.resolve(starting));
    if (this.#end.outcome !== undefined) return;
    const resumeToken = started?.resumeToken ?? session.resumeToken;
    if (!isStarted) {
      const token = resumeToken === undefined ? {} : { resumeToken };
      this.#write(pipe, { type: resume ? "session.resumed" : "session.created", backend: backend.kind, ...token });
      this.#write(pipe, { type: "backend.started", backend: backend.kind });
    }
    this.#iterator = backend.stream(this.#spec, this.#context(open, resumeToken))[Symbol.asyncIterator]();
  }

  async #pull(pipe: EventPipe): Promise<void> {
    if (this.#iterator === undefined || this.#end.outcome !== undefined) return;
    const pull = new BackendPull({
      iterator: this.#iterator,
      end: this.#end,
      room: () => pipe.room(),
      take: (value) => this.#take(pipe, this.#parse(value)),
      onLate: this.#onLate,
    });
    if (await pull.run()) this.#isExhausted = true;
  }

  #parse(value: unknown): BoxEvent {
    const delta = copyPlainDelta(value);
    if (delta !== undefined) return delta;
    const { type } = Object(value) as { readonly type?: unknown };
    if (isReservedEventType(type)) {
      throw new ValidationError(
        "event_reserved",
        `The backend ${this.#options.backend.kind} yielded a ${type} event, which only Skein itself writes.`,
      );
    }
    return parseEventBody(value);
  }

  #take(pipe: EventPipe, body: BoxEvent): Promise<void> | undefined {
    if (isLongerThan(body, LARGE_CHARACTERS) && this.#redaction.pushInSteps !== undefined)
      return this.#takeLarge(pipe, this.#redaction.pushInSteps(body));
    this.#write(pipe, body);
    return undefined;
  }

  /** Looking for secrets in a large event is long work: other streams get their turns meanwhile. The run's end leaves it where it is. */
  async #takeLarge(pipe: EventPipe, steps: Iterator<unknown, BoxEvent[]>): Promise<void> {
    const bodies = await inTurns(steps, () => this.#end.outcome === undefined);
    if (bodies !== undefined) this.#push(pipe, bodies);
  }

  #write(pipe: EventPipe, body: BoxEvent): void {
    this.#push(pipe, this.#redaction.push(body));
  }

  #push(pipe: EventPipe, bodies: readonly BoxEvent[]): void {
    for (const body of bodies) this.#summary.add(body);
    pipe.push(bodies);
  }

  #onStored(events: readonly StoredEvent[]): void {
    this.#deliver(events);
    const { acknowledge } = this.#options.backend;
    const turn = acknowledge === undefined ? undefined : events.findLast((event) => event.turn !== undefined)?.turn;
    if (turn === undefined) return;
    const through = turn.offset === undefined ? turn.seq : turn.seq - 1;
    // An acknowledgement that is lost is made good by the next one.
    (async () => this.#options.backend.acknowledge?.(turn.id, through))().catch(() => {});
  }

  /** The failure first, then clean-up, then `final` (L3). */
  async #close({ session, writer, events }: OpenSession, pipe: EventPipe, backend: string): Promise<void> {
    const isBegun = events !== undefined;
    this.#push(pipe, this.#redaction.flush());
    if (isBegun && this.#hasNothingToCleanUp && pipe.submit()) {
      this.#write(pipe, { type: "backend.ended", backend });
      this.#write(pipe, this.#final({ status: "completed", reason: "completed" }, []));
      // All of it is one append, and the lease is given up with it.
      if (pipe.submit()) void writer.close().catch(() => {});
      let storeFailure: unknown;
      await pipe.drain().catch((error: unknown) => (storeFailure = error));
      if (storeFailure !== undefined) throw toStreamFailure(storeFailure, []);
      return;
    }
    const refused = await this.#drainOrRefused(pipe);
    const outcome = refused ?? this.#end.outcome ?? { status: "completed", reason: "completed" };
    const error = outcome.status === "failed" ? { error: toErrorDetail(outcome.error) } : {};
    let storeFailure = pipe.failure;
    if (storeFailure === undefined && this.#touched) {
      const ended: EventBody =
        outcome.status === "failed"
          ? { type: "backend.failed", backend, ...error }
          : { type: "backend.ended", backend };
      this.#write(pipe, ended);
      await pipe.drain().catch((failure: unknown) => (storeFailure = { error: failure }));
    }
    const suppressed = this.#touched ? await this.#cleanUp(session, outcome.status) : [];
    if (outcome.status === "aborted" && outcome.error !== undefined && !isAbortError(outcome.error))
      suppressed.unshift(outcome.error);
    if (storeFailure === undefined) {
      this.#write(pipe, this.#final(outcome, suppressed));
      await pipe.drain().catch((failure: unknown) => (storeFailure = { error: failure }));
    }
    if (storeFailure !== undefined) {
      const own = outcome.status === "failed" && outcome.error !== storeFailure.error ? [outcome.error] : [];
      throw toStreamFailure(storeFailure.error, [...own, ...suppressed]);
    }
  }

  /** The backend has completed, said all it had to say, and has no `stop`: nothing can fail any more but the store. */
  get #hasNothingToCleanUp(): boolean {
    const { stop } = this.#options.backend;
    return (
      this.#end.outcome?.status === "completed" && this.#isExhausted && stop === undefined && this.#late.length === 0
    );
  }

  #final(outcome: RunOutcome, suppressed: readonly unknown[]): FinalBody {
    return {
      type: "final",
      status: outcome.status,
      reason: outcome.reason,
      ...this.#summary.lastMessage(),
      ...(outcome.status === "failed" ? { error: toErrorDetail(outcome.error) } : {}),
      ...(suppressed.length === 0 ? {} : { suppressed: suppressed.map((failure) => toErrorDetail(failure)) }),
      usage: this.#summary.usage,
      durationMs: Math.round(performance.now() - this.#startedAt),
    };
  }

  async #cleanUp(session: Session, reason: string): Promise<unknown[]> {
    const { backend, stopTimeoutMs = DEFAULT_STOP_TIMEOUT_MS } = this.#options;
    const iterator = this.#isExhausted ? undefined : this.#iterator;
    const failures = await cleanUpBackend(backend, session, reason, iterator, stopTimeoutMs);
    return [...this.#late, ...failures];
  }

  /** An event that the store refused for what it is (too large) fails the run; the store is well and takes what follows. */
  async #drainOrRefused(pipe: EventPipe): Promise<{ status: "failed"; reason: string; error: unknown } | undefined> {
    try {
      await pipe.drain();
      return undefined;
    } catch (error) {
      if (!SkeinError.is(error) || error.kind !== "validation") return undefined;
      pipe.forgive();
      return { status: "failed", reason: error.code, error };
    }
  }
}

// eslint-disable-next-line require-yield -- a history without events
async function* nothing(): AsyncGenerator<StoredEvent> {}

/** What the stream throws where it could not store: the store's error, carrying the run's own failure and those of clean-up (L8). */
function toStreamFailure(error: unknown, suppressed: readonly unknown[]): SkeinError {
  if (SkeinError.is(error) && error.code === "fenced") {
    return new FencedError(error.message, { cause: error, suppressed });
  }
  if (SkeinError.is(error) && error.kind === "store") {
    return new StoreError(error.code, error.message, { cause: error, suppressed });
  }
  return new StoreError("store_failed", `The store failed: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
    suppressed,
  });
}
