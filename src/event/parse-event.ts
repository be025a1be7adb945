import { ValidationError } from "../errors.ts";
import { cloneJson } from "./clone-json.ts";
import { findEventFault } from "./event-schema.ts";
import type { BoxEvent, StoredEvent } from "./event.ts";

/**
 * Untrusted to typed: a body that came from a backend or a box, copied so that nobody can change it afterwards.
 *
 * @throws ValidationError `event_not_json`, `event_invalid`
 */
export function parseEventBody(value: unknown): BoxEvent {
  const copy = cloneJson(value);
  const fault = findEventFault(copy);
  if (fault !== undefined) throw new ValidationError("event_invalid", fault);
  return copy as unknown as BoxEvent;
}

/**
 * One stored event from a line of a file that came from outside.
 *
 * @throws ValidationError `event_invalid`
 */
export function parseStoredEvent(line: string): StoredEvent {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new ValidationError("event_invalid", "A stored event must be one line of JSON.", { cause });
  }
  const fault = findEventFault(value);
  if (fault !== undefined) throw new ValidationError("event_invalid", fault);
  const { seq, at, sessionId, runId } = value as Record<string, unknown>;
  if (!Number.isInteger(seq) || (seq as number) < 1 || typeof at !== "number" || typeof sessionId !== "string" || typeof runId !== "string") {
    throw new ValidationError("event_invalid", "A stored event needs seq, at, sessionId and runId.");
  }
  return value as StoredEvent;
}
