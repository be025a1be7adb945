import { ValidationError } from "../errors.ts";
import type { JsonValue, StoredEvent, TurnMark } from "../event/event.ts";
import { cloneFieldsInto, cloneJson } from "../event/clone-json.ts";
import { findEventFault } from "../event/event-schema.ts";
import { parseEventBody } from "../event/parse-event.ts";
import { createId } from "../internal/ids.ts";
import { findDigests } from "./blob-digest.ts";
import { checkName } from "./new-session.ts";
import { foldRunState } from "./run-state.ts";
import type { RunState } from "./run-state.ts";
import type { AppendBody } from "./session-store.ts";

/** The largest event that the embedded stores take, in bytes of its JSON. */
export const MAX_EVENT_BYTES = 64 * 1024 * 1024;

const NO_DIGESTS: readonly string[] = [];

/** Where an append begins. */
export interface AppendPosition {
  readonly sessionId: string;
  readonly lastSeq: number;
  readonly state: RunState;
  readonly at: number;
  /** The id for a run that begins in this append. */
  readonly runId?: string | undefined;
  /** Bodies, by their index, whose lines and digests are the caller's to find: a large event is written in steps. */
  readonly unwritten?: ReadonlySet<number> | undefined;
  /** What an event's line is. Default: its JSON. */
  readonly writer?: LineWriter;
}

/** Writes the line of each event. @throws ValidationError `event_too_large` */
export interface LineWriter {
  /** A delta that has nothing but its text and maybe its place in a turn. */
  delta(event: DeltaEvent): string;
  /** Any other event. */
  event(event: StoredEvent): string;
}

type DeltaEvent = Extract<StoredEvent, { readonly type: "text.delta" | "reasoning.delta" }>;

/** An append, ready to be stored: each line is that of the event beside it, or empty where it is `unwritten`. */
export interface EncodedEvents {
  readonly events: StoredEvent[];
  readonly lines: string[];
  readonly state: RunState;
  /** Blobs that the events refer to. */
  readonly digests: readonly string[];
}

/**
 * Gives bodies their envelope. The event equals `JSON.parse` of its line and shares nothing with the body that came in,
 * so what is delivered now and what is read later cannot differ (L4). Either all bodies are fit to be stored, or it throws.
 *
 * @throws ValidationError `event_not_json`, `event_invalid`, `event_too_large`, `run_unknown`
 */
export function encodeEvents(bodies: readonly AppendBody[], position: AppendPosition): EncodedEvents {
  const { sessionId, at, unwritten } = position;
  const events: StoredEvent[] = [];
  const lines: string[] = [];
  let digests = NO_DIGESTS;
  let { lastSeq: seq, state } = position;
  let newRunId = position.runId;
  const writer = position.writer ?? new WholeLines(sessionId, at);
  if (newRunId !== undefined) checkName("runId", newRunId);
  for (const body of bodies) {
    seq += 1;
    if (isPlainDelta(body) && state.lastRunId !== undefined) {
      const { type, text, turn } = body;
      const runId = state.lastRunId;
      const event: DeltaEvent =
        turn === undefined
          ? { seq, at, sessionId, runId, type, text }
          : { seq, at, sessionId, runId, turn: copyTurn(turn), type, text };
      events.push(event);
      if (unwritten?.has(lines.length) === true) {
        lines.push("");
        continue;
      }
      lines.push(writer.delta(event));
      continue;
    }
    const copy = toPlainBody(body);
    const isStart = copy.type === "run.started";
    const runId = isStart ? (newRunId ?? createId("run")) : state.lastRunId;
    if (isStart) newRunId = undefined;
    if (runId === undefined) {
      throw new ValidationError(
        "run_unknown",
        `Session ${JSON.stringify(sessionId)} has no run yet; append a run.started before a ${copy.type}.`,
      );
    }
    const fields: Record<string, JsonValue> = { seq, at, sessionId, runId };
    if (copy.turn !== undefined) fields.turn = copyOf(copy.turn);
    cloneFieldsInto(fields, copy, OWN_FIELDS);
    const fault = findEventFault(fields);
    if (fault !== undefined) throw new ValidationError("event_invalid", fault);
    const event = fields as unknown as StoredEvent;
    state = foldRunState(state, event);
    events.push(event);
    if (unwritten?.has(lines.length) === true) {
      lines.push("");
      continue;
    }
    const line = writer.event(event);
    if (line.includes('"sha256:')) digests = [...digests, ...findDigests(line)];
    lines.push(line);
  }
  return { events, lines, state, digests };
}

/** A longer text is written like any other event: a line that is made of parts is copied once more where it is cut. */
const SHORT_TEXT = 64 * 1024;

/** Any character that does not stand for itself in a JSON string, or might not: half of a pair does not. */
const NEEDS_ESCAPE = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

/** A text as `JSON.stringify` writes it. One that needs no escape is not copied: it is once, where it is joined to others. */
export function quoteText(text: string): string {
  return text.length > SHORT_TEXT || NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`;
}

/**
 * The events' JSON, with the lines of deltas as `JSON.stringify` writes them. What stands before the text is the same for nearly all events of an append,
 * and a text that needs no escape is not copied: it is once, into its segment.
 */
class WholeLines implements LineWriter {
  readonly #sessionId: string;
  readonly #at: number;
  #runId = "";
  readonly #heads = { "text.delta": "", "reasoning.delta": "" };

  constructor(sessionId: string, at: number) {
    this.#sessionId = sessionId;
    this.#at = at;
  }

  delta(event: DeltaEvent): string {
    const line = event.text.length > SHORT_TEXT ? JSON.stringify(event) : this.#write(event);
    refuseTooLarge(line, event.type);
    return line;
  }

  event(event: StoredEvent): string {
    const line = JSON.stringify(event);
    refuseTooLarge(line, event.type);
    return line;
  }

  #write({ seq, runId, type, turn, text }: DeltaEvent): string {
    if (this.#runId !== runId) this.#begin(runId);
    const head = turn === undefined ? this.#heads[type] : this.#head(runId, type, turn);
    return NEEDS_ESCAPE.test(text)
      ? `{"seq":${seq}${head}${JSON.stringify(text).slice(1)}}`
      : `{"seq":${seq}${head}${text}"}`;
  }

  #begin(runId: string): void {
    this.#runId = runId;
    this.#heads["text.delta"] = this.#head(runId, "text.delta");
    this.#heads["reasoning.delta"] = this.#head(runId, "reasoning.delta");
  }

  #head(runId: string, type: PlainDelta["type"], turn?: TurnMark): string {
    const mark = turn === undefined ? "" : `,"turn":${JSON.stringify(turn)}`;
    return `,"at":${this.#at},"sessionId":${JSON.stringify(this.#sessionId)},"runId":${JSON.stringify(runId)}${mark},"type":"${type}","text":"`;
  }
}

type PlainDelta = Extract<AppendBody, { readonly type: "text.delta" | "reasoning.delta" }>;

/** Deltas are nearly all events; one without extras needs neither a schema nor a deep copy. */
function isPlainDelta(body: AppendBody): body is PlainDelta {
  if (typeof body !== "object" || body === null) return false;
  if ((body.type !== "text.delta" && body.type !== "reasoning.delta") || typeof body.text !== "string") return false;
  for (const key in body) if (key !== "type" && key !== "text" && key !== "turn") return false;
  return body.turn === undefined || isPlainTurn(body.turn);
}

function isPlainTurn(turn: TurnMark): boolean {
  if (typeof turn !== "object" || turn === null || typeof turn.id !== "string" || !isSmallCount(turn.seq)) return false;
  for (const key in turn) if (key !== "id" && key !== "seq" && key !== "offset") return false;
  return turn.offset === undefined || isSmallCount(turn.offset);
}

/** A whole number above zero, which is also never minus zero. */
function isSmallCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) > 0;
}

function copyTurn({ id, seq, offset }: TurnMark): TurnMark {
  return offset === undefined ? { id, seq } : { id, seq, offset };
}

/** What the store itself says of an event. One that was read elsewhere may be appended as it is: its old place is not its new one. */
const OWN_FIELDS: ReadonlySet<string> = new Set(["seq", "at", "sessionId", "runId", "turn"]);

/** The body as an object whose fields can be copied one by one. */
function toPlainBody(value: AppendBody): AppendBody {
  const isPlain =
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    typeof (value as { toJSON?: unknown }).toJSON !== "function";
  return isPlain ? value : parseEventBody(value);
}

function copyOf(turn: TurnMark): JsonValue {
  const copy = cloneJson(turn);
  refuseBadTurn(copy as unknown as TurnMark);
  return copy;
}

function refuseBadTurn(turn: Partial<TurnMark>): void {
  if (typeof turn !== "object" || turn === null || typeof turn.id !== "string" || !Number.isInteger(turn.seq)) {
    throw new ValidationError("event_invalid", "The turn of an event needs an id and a whole number as seq.");
  }
}

/** @throws ValidationError `event_too_large` */
export function refuseTooLarge(line: string, type: string): void {
  // A UTF-16 unit is at most three bytes of UTF-8: most lines are known to be small without counting.
  if (line.length * 3 <= MAX_EVENT_BYTES) return;
  const bytes = Buffer.byteLength(line);
  if (bytes > MAX_EVENT_BYTES) throw eventTooLarge(type, bytes);
}

export function eventTooLarge(type: string, bytes: number): ValidationError {
  return new ValidationError(
    "event_too_large",
    `A ${type} event has ${bytes} bytes of JSON, the store takes ${MAX_EVENT_BYTES}; store the large part with putBlob and refer to it.`,
  );
}
