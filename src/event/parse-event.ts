import { ValidationError } from "../errors.ts";
import { cloneJson } from "./clone-json.ts";
import { findEventFault } from "./event-schema.ts";
import type { BoxEvent, StoredEvent } from "./event.ts";
import { STORED_FORMAT, upcastEvent } from "./upcast.ts";
import type { OldEvent } from "./upcast.ts";

/**
 * Untrusted to typed: a body that came from a backend or a box, copied so that nobody can change it afterwards.
 *
 * @throws ValidationError `event_not_json`, `event_invalid`, `event_too_large` for too many values
 */
export function parseEventBody(value: unknown): BoxEvent {
  const copy = cloneJson(value);
  const fault = findEventFault(copy);
  if (fault !== undefined) throw new ValidationError("event_invalid", fault);
  return copy as unknown as BoxEvent;
}

/**
 * A copy of a delta that has nothing but its text, and nearly all events have nothing else; undefined for every other value.
 * It is what {@link parseEventBody} would give, at a tenth of its cost.
 */
export function copyPlainDelta(value: unknown): BoxEvent | undefined {
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return undefined;
  const { type, text } = value as { readonly type?: unknown; readonly text?: unknown };
  if ((type !== "text.delta" && type !== "reasoning.delta") || typeof text !== "string") return undefined;
  for (const key in value) if (key !== "type" && key !== "text") return undefined;
  return typeof (value as { readonly toJSON?: unknown }).toJSON === "function" ? undefined : { type, text };
}

/**
 * One stored event from a line of a file that came from outside.
 *
 * @param format the format in which it was stored, where that is an older one
 * @throws ValidationError `event_invalid`, `event_not_json` for one that is nested too deep
 */
export function parseStoredEvent(line: string, format: number = STORED_FORMAT): StoredEvent {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new ValidationError("event_invalid", "A stored event must be one line of JSON.", { cause });
  }
  // What was stored can always be read: how many values it may have was asked when it was stored.
  value = cloneJson(value, Number.POSITIVE_INFINITY);
  if (format < STORED_FORMAT && typeof (value as { type?: unknown } | null)?.type === "string")
    value = upcastEvent(value as OldEvent, format);
  const fault = findEventFault(value);
  if (fault !== undefined) throw new ValidationError("event_invalid", fault);
  const { seq, at, sessionId, runId } = value as Record<string, unknown>;
  if (
    !Number.isInteger(seq) ||
    (seq as number) < 1 ||
    typeof at !== "number" ||
    typeof sessionId !== "string" ||
    typeof runId !== "string"
  ) {
    throw new ValidationError("event_invalid", "A stored event needs seq, at, sessionId and runId.");
  }
  return value as StoredEvent;
}
