import { SkeinError, ValidationError } from "../../errors.ts";
import type { EventBody } from "../../event/event.ts";
import { parseEventBody } from "../../event/parse-event.ts";
import { createRedactor } from "../../event/redaction/redactor.ts";
import type { Redaction } from "../../event/redaction/redactor.ts";
import { createLimiter } from "../../internal/limiter.ts";
import type { Limiter } from "../../internal/limiter.ts";
import type { ByteStreamProducer } from "../../store/byte-streams.ts";
import type { SessionStore, SessionWriter } from "../../store/session-store.ts";

export type ProducerOutcome =
  | { readonly is: "appended" | "duplicate"; readonly lastSeq: number; readonly seq: number }
  | { readonly is: "stale"; readonly epoch: number }
  | { readonly is: "gap"; readonly expected: number };

interface Held {
  readonly writer: SessionWriter;
  readonly producerId: string;
  /** The last batch that was stored. */
  seq: number;
  lastSeq: number;
  isRunOpen: boolean;
  redaction: Redaction;
  idle?: NodeJS.Timeout;
}

/** How long a session is held for a producer that says nothing: between two runs, and inside one. */
const IDLE_MS = 60_000;
const IDLE_IN_RUN_MS = 600_000;

/**
 * Producers that write sessions from outside. A producer's epoch is that of the session's writer: epoch n + 1 with sequence 0 opens one,
 * which fences whoever wrote before, and its lease is this server's to renew. What it writes is checked and redacted like what a run writes.
 */
export class SessionProducers {
  readonly #store: SessionStore;
  readonly #held = new Map<string, Held>();
  readonly #turns = new Map<string, Limiter>();
  readonly #redactor = createRedactor({ env: process.env });

  constructor(store: SessionStore, closing: AbortSignal) {
    this.#store = store;
    closing.addEventListener("abort", () => void this.#release());
  }

  /** @throws ValidationError `invalid_option`, `event_invalid`, `event_reserved` for what is not the next part of a log */
  append(sessionId: string, producer: ByteStreamProducer, body: Uint8Array): Promise<ProducerOutcome> {
    const turn = this.#turns.get(sessionId) ?? createLimiter(1);
    this.#turns.set(sessionId, turn);
    return turn(() => this.#append(sessionId, producer, body));
  }

  async #append(sessionId: string, { id, epoch, seq }: ByteStreamProducer, body: Uint8Array): Promise<ProducerOutcome> {
    const session = await this.#store.get(sessionId);
    if (session === undefined)
      throw new ValidationError("session_unknown", `There is no session ${JSON.stringify(sessionId)}.`);
    let held = this.#held.get(sessionId);
    if (held !== undefined && (held.writer.epoch !== session.epoch || held.writer.lost?.aborted === true)) {
      this.#held.delete(sessionId);
      held = undefined;
    }
    const isMine = held !== undefined && held.producerId === id && held.writer.epoch === epoch;
    if (held !== undefined && isMine) {
      if (seq <= held.seq) return { is: "duplicate", lastSeq: held.lastSeq, seq: held.seq };
      if (seq !== held.seq + 1) return { is: "gap", expected: held.seq + 1 };
    } else {
      if (epoch !== session.epoch + 1) return { is: "stale", epoch: session.epoch };
      if (seq !== 0) return { is: "gap", expected: 0 };
    }
    const bodies = parseBodies(body);
    held = isMine ? held : await this.#open(sessionId, id);
    if (held === undefined || held.writer.epoch !== epoch)
      return { is: "stale", epoch: held?.writer.epoch ?? session.epoch };
    return this.#write(held, bodies, seq);
  }

  async #open(sessionId: string, producerId: string): Promise<Held> {
    const writer = await this.#store.openWriter(sessionId, { owner: `producer ${producerId}` });
    const lastSeq = (await this.#store.get(sessionId))?.lastSeq ?? 0;
    const held: Held = { writer, producerId, seq: -1, lastSeq, isRunOpen: false, redaction: this.#redactor.begin() };
    this.#held.set(sessionId, held);
    return held;
  }

  async #write(held: Held, bodies: readonly EventBody[], seq: number): Promise<ProducerOutcome> {
    let { isRunOpen } = held;
    for (const { type } of bodies) {
      if (type === "run.started" ? isRunOpen : !isRunOpen)
        throw new ValidationError(
          "event_reserved",
          type === "run.started"
            ? "A run begins after the final of the one before."
            : `${type} belongs to a run; begin one with run.started.`,
        );
      isRunOpen = type !== "final";
    }
    // A batch is durable when it is answered, so nothing of it can wait for the next: a secret is caught inside a batch, not across two.
    const redacted: EventBody[] = [];
    for (const body of bodies) {
      redacted.push(...held.redaction.push(body));
      if (body.type === "final") held.redaction = this.#redactor.begin();
    }
    redacted.push(...held.redaction.flush());
    try {
      const stored = await held.writer.append(redacted);
      held.lastSeq = stored.at(-1)?.seq ?? held.lastSeq;
      held.isRunOpen = isRunOpen;
      held.seq = seq;
      this.#expectMore(held);
      return { is: "appended", lastSeq: held.lastSeq, seq };
    } catch (error) {
      if (!SkeinError.is(error) || error.code !== "fenced") throw error;
      const { sessionId } = held.writer;
      this.#held.delete(sessionId);
      return { is: "stale", epoch: (await this.#store.get(sessionId))?.epoch ?? held.writer.epoch };
    }
  }

  /** A producer that does not come back gives the session up; a run that it left open is closed by recovery. */
  #expectMore(held: Held): void {
    clearTimeout(held.idle);
    held.idle = setTimeout(() => void this.#drop(held), held.isRunOpen ? IDLE_IN_RUN_MS : IDLE_MS);
    held.idle.unref();
  }

  async #drop(held: Held): Promise<void> {
    const { sessionId } = held.writer;
    clearTimeout(held.idle);
    if (this.#held.get(sessionId) === held) this.#held.delete(sessionId);
    // A lease that cannot be given up runs out by itself.
    await held.writer.close().catch(() => {});
  }

  async #release(): Promise<void> {
    await Promise.all(Array.from(this.#held.values(), (held) => this.#drop(held)));
  }
}

/** @throws ValidationError `invalid_option`, `event_invalid` */
function parseBodies(body: Uint8Array): EventBody[] {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (cause) {
    throw new ValidationError(
      "invalid_option",
      "The body is JSON: one event, or an array of events, without envelopes.",
      { cause },
    );
  }
  const bodies = Array.isArray(value) ? (value as unknown[]) : [value];
  if (bodies.length === 0) throw new ValidationError("invalid_option", "An empty array appends nothing.");
  return bodies.map((one) => parseEventBody(one));
}
