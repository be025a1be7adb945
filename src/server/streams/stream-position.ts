import { ValidationError } from "../../errors.ts";

/** Where to read from: an offset as it was handed out, the beginning, or the end. */
export type StreamPosition = number | "start" | "now";

const DIGITS = 16;
const OFFSET = /^(\d{16})_(\d{16})$/;

/** A position as an opaque token: two offsets of a stream compare as texts like the positions they stand for. */
export function toOffset(position: number): string {
  return `${"0".repeat(DIGITS)}_${String(position).padStart(DIGITS, "0")}`;
}

/** @throws ValidationError `invalid_option` */
export function parseOffset(text: string | undefined): StreamPosition {
  if (text === undefined || text === "-1") return "start";
  if (text === "now") return "now";
  const match = OFFSET.exec(text);
  if (match === null || Number(match[1]) !== 0 || !Number.isSafeInteger(Number(match[2])))
    throw new ValidationError(
      "invalid_option",
      `An offset is -1, now, or a Stream-Next-Offset that this server gave, not ${JSON.stringify(text.slice(0, 80))}.`,
    );
  return Number(match[2]);
}

/** Cursors count intervals of time, so that caches between server and readers collapse those who wait for the same. */
const CURSOR_EPOCH_MS = Date.UTC(2024, 9, 9);
const CURSOR_INTERVAL_MS = 20_000;
const MAX_JITTER_MS = 3_600_000;

/** The cursor of an answer: always later than the one that the reader sent. */
export function nextCursor(sent: string | undefined, now = Date.now()): string {
  const interval = Math.floor((now - CURSOR_EPOCH_MS) / CURSOR_INTERVAL_MS);
  const known = sent !== undefined && /^\d{1,15}$/.test(sent) ? Number(sent) : -1;
  if (known < interval) return String(interval);
  return String(known + 1 + Math.floor((Math.random() * MAX_JITTER_MS) / CURSOR_INTERVAL_MS));
}
