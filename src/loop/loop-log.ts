import type { EventBody, StoredEvent, Usage } from "../event/event.ts";
import type { Redaction } from "../event/redaction/redactor.ts";
import { RunSummary } from "../event/run-summary.ts";
import type { SessionWriter } from "../store/session-store.ts";
import { EventPipe } from "../stream/event-pipe.ts";

/** What the first event of a loop's run is made with, before there is a writer. */
export interface LoopOpening {
  readonly runId: string;
  readonly redaction: Redaction;
}

/**
 * The loop's own log. What is recorded is stored in the order of the calls; `drain` waits until all of it is.
 * A write that fails is told at once (`onFailure`) and by every later `drain`.
 */
export class LoopLog {
  readonly writer: SessionWriter;
  readonly #pipe: EventPipe;
  readonly #redaction: Redaction;
  readonly #summary = new RunSummary();

  constructor(
    writer: SessionWriter,
    { runId, redaction }: LoopOpening,
    onEvent: (event: StoredEvent) => void,
    onFailure: (error: unknown) => void,
  ) {
    this.writer = writer;
    this.#redaction = redaction;
    const deliver = (events: readonly StoredEvent[]): void => {
      this.#pipe.delivered(events.length);
      for (const event of events) onEvent(event);
    };
    this.#pipe = new EventPipe(writer, runId, deliver, onFailure);
  }

  record(body: EventBody): void {
    const bodies = this.#redaction.push(body);
    for (const redacted of bodies) this.#summary.add(redacted);
    this.#pipe.push(bodies);
  }

  /** What the session began with is stored: it only has to be heard. */
  begin(events: readonly StoredEvent[]): void {
    for (const event of events) this.#summary.add(event);
    this.#pipe.begin(events);
  }

  /** Records the last event; the append that stores it gives the lease up. @throws StoreError, FencedError */
  end(body: EventBody): Promise<void> {
    this.record(body);
    if (this.submit()) void this.writer.close().catch(() => {});
    return this.drain();
  }

  /** Hands all that was recorded to the writer; true where it has accepted all of it, so that what is begun under the writer comes after it. */
  submit(): boolean {
    return this.#pipe.submit();
  }

  /** @throws StoreError, FencedError */
  drain(): Promise<void> {
    return this.#pipe.drain();
  }

  get failed(): boolean {
    return this.#pipe.failure !== undefined;
  }

  /** Tokens and cost of all iterations so far, losers included. */
  get usage(): Usage {
    return this.#summary.usage;
  }
}
