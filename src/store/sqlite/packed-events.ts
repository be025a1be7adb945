import type { JsonValue, StoredEvent } from "../../event/event.ts";
import { MAX_EVENT_BYTES, quoteText, refuseTooLarge } from "../encode-events.ts";
import type { LineWriter } from "../encode-events.ts";
import type { LargeValue } from "../large-line.ts";

/**
 * Events as the rows of the log hold them: what a row's place, its session and the event before tell is not said again.
 * A row is the inside of an array of JSON. In it a text stands for a `text.delta` that says nothing else, and an object for any other event,
 * without `seq`, `at` and `sessionId`, and with `runId` only where a run begins; a number says by how many milliseconds what follows is later.
 * The row itself has the run and the time of its first event.
 */

/** Stands between what a row holds. */
export const SEPARATOR = ",";

/** Where a row begins. */
export interface RowStart {
  readonly sessionId: string;
  readonly firstSeq: number;
  readonly run: string;
  readonly at: number;
}

/** An event without what its row tells. */
export function toPacked(event: StoredEvent): JsonValue {
  if (isBareText(event)) return event.text;
  const { seq: _seq, at: _at, sessionId: _sessionId, runId, ...own } = event;
  return (own.type === "run.started" ? { runId, ...own } : own) as unknown as JsonValue;
}

function isBareText(event: StoredEvent): event is Extract<StoredEvent, { readonly type: "text.delta" }> {
  if (event.type !== "text.delta") return false;
  let fields = 0;
  for (const _ in event) fields += 1;
  return fields === BARE_FIELDS;
}

/** The envelope, the type and the text. */
const BARE_FIELDS = 6;

/** The JSON of {@link toPacked}, for less. */
export function packEvent(event: StoredEvent): string {
  const { seq, at, sessionId, runId, type } = event;
  if (isBareText(event)) return quoteText(event.text);
  const line = JSON.stringify(event);
  const run = type === "run.started" ? "" : `"runId":${JSON.stringify(runId)},`;
  const head = `{"seq":${seq},"at":${at},"sessionId":${JSON.stringify(sessionId)},${run}`;
  // A field whose name is a number stands before all others.
  return line.startsWith(head) ? `{${line.slice(head.length)}` : JSON.stringify(toPacked(event));
}

/** A large event, packed. */
export function toLargeValue(event: StoredEvent): LargeValue {
  return { value: toPacked(event), bytesLeftOut: countUnpackedBytes(event) };
}

/** How many bytes of an event's JSON {@link toPacked} leaves out. */
export function countUnpackedBytes(event: StoredEvent): number {
  if (isBareText(event)) return countBytes({ ...event, text: "" }) - '""'.length;
  const { seq, at, sessionId, runId, type } = event;
  return countBytes(type === "run.started" ? { seq, at, sessionId } : { seq, at, sessionId, runId }) - "}".length;
}

function countBytes(value: object): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** @throws ValidationError `event_too_large` */
function refuseLarge(packed: string, event: StoredEvent): string {
  // The limit is one of the whole event. No envelope is longer than this, and hardly any event is near the limit.
  if ((packed.length + MAX_ENVELOPE) * 3 > MAX_EVENT_BYTES) refuseTooLarge(JSON.stringify(event), event.type);
  return packed;
}

const MAX_ENVELOPE = 4096;

/** The lines of an append, each of them packed. */
export const PACKED_LINES: LineWriter = {
  delta: (event) =>
    refuseLarge(
      event.turn === undefined && event.type === "text.delta" ? quoteText(event.text) : packEvent(event),
      event,
    ),
  event: (event) => refuseLarge(packEvent(event), event),
};

/** The events of a row. Throws where it is not JSON. */
export function unpackRow(text: string, start: RowStart): StoredEvent[] {
  return unpackEvents(JSON.parse(`[${text}]`) as PackedItem[], start);
}

/** A text, a number of milliseconds, or what is left of an event. */
export type PackedItem = string | number | object;

export function unpackEvents(
  items: readonly PackedItem[],
  { sessionId, firstSeq, run, at: startsAt }: RowStart,
): StoredEvent[] {
  const events: StoredEvent[] = [];
  let seq = firstSeq;
  let at = startsAt;
  let runId = run;
  for (const item of items) {
    if (typeof item === "string") {
      events.push({ seq, at, sessionId, runId, type: "text.delta", text: item });
    } else if (typeof item === "number") {
      at += item;
      continue;
    } else {
      const event = { seq, at, sessionId, runId, ...item } as StoredEvent;
      runId = event.runId;
      events.push(event);
    }
    seq += 1;
  }
  return events;
}
