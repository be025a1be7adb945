import type { JsonValue, StoredEvent } from "../event/event.ts";
import { isLongerThan } from "../event/json-size.ts";
import { findDigests } from "./blob-digest.ts";
import { MAX_EVENT_BYTES, eventTooLarge } from "./encode-events.ts";

/** A line of more characters does not travel in one piece: its transaction would keep every other session waiting. */
export const LARGE_LINE_CHARACTERS = 2 * 1024 * 1024;

/** As many characters as one transaction takes in a few milliseconds. */
const PART_CHARACTERS = 512 * 1024;

/** Cuts a line into parts that join to the same line; never between the halves of a character, for a half alone is not UTF-8. */
export function* cutLine(line: string): Generator<string> {
  for (let start = 0; start < line.length;) {
    let end = Math.min(line.length, start + PART_CHARACTERS);
    if (end < line.length && isHighSurrogate(line.charCodeAt(end - 1))) end -= 1;
    yield line.slice(start, end);
    start = end;
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** What is shorter is written in one step, and joined to what stands beside it. */
const STEP_CHARACTERS = 128 * 1024;

/** A blob's reference is one character longer: so far on both sides of a border there is only one that lies over it. */
const EDGE_CHARACTERS = 81;

/** A large event, ready to be stored. */
export interface LargeLine {
  readonly parts: readonly string[];
  readonly digests: readonly string[];
}

/** What a store writes of an event. */
export interface LargeValue {
  readonly value: JsonValue;
  /** So many bytes of the event's JSON are not in it. */
  readonly bytesLeftOut: number;
}

/**
 * What a store writes of a large event, in parts that join to what `JSON.stringify` writes, made in steps of about a millisecond.
 *
 * @throws ValidationError `event_too_large`
 */
export function* writeLargeLine(
  { type }: StoredEvent,
  { value, bytesLeftOut }: LargeValue,
): Generator<undefined, LargeLine> {
  const parts: string[] = [];
  const digests: string[] = [];
  let bytes = 0;
  let gathered = "";
  const add = (part: string): void => {
    bytes += Buffer.byteLength(part);
    const edge = (parts.at(-1) ?? "").slice(-EDGE_CHARACTERS) + part.slice(0, EDGE_CHARACTERS);
    digests.push(...findDigests(edge), ...findDigests(part));
    parts.push(part);
  };
  for (const piece of writeJson(value)) {
    // A piece of a long text is a part as it is: joined to others it would be copied once more.
    const isPart = piece.length >= STEP_CHARACTERS;
    if (gathered !== "" && (isPart || gathered.length >= STEP_CHARACTERS)) {
      add(gathered);
      gathered = "";
    }
    if (isPart) add(piece);
    else gathered += piece;
    yield;
  }
  if (gathered !== "") add(gathered);
  const all = bytes + bytesLeftOut;
  if (all > MAX_EVENT_BYTES) throw eventTooLarge(type, all);
  return { parts, digests };
}

/** The JSON of a value in pieces, none of which cuts a character. The value is one that was read or copied as JSON: without `undefined`, without `toJSON`. */
export function* writeJson(value: JsonValue): Generator<string> {
  if (!isLongerThan(value, STEP_CHARACTERS)) {
    yield JSON.stringify(value);
  } else if (typeof value === "string") {
    yield '"';
    for (const slice of cutLine(value)) yield JSON.stringify(slice).slice(1, -1);
    yield '"';
  } else {
    yield* Array.isArray(value) ? writeItems(value as readonly JsonValue[]) : writeFields(value as JsonObject);
  }
}

type JsonObject = { readonly [key: string]: JsonValue };

function* writeItems(items: readonly JsonValue[]): Generator<string> {
  let separator = "[";
  for (const item of items) {
    yield separator;
    yield* writeJson(item);
    separator = ",";
  }
  yield "]";
}

function* writeFields(fields: JsonObject): Generator<string> {
  let separator = "{";
  for (const [key, item] of Object.entries(fields)) {
    yield `${separator}${JSON.stringify(key)}:`;
    yield* writeJson(item);
    separator = ",";
  }
  yield "}";
}
