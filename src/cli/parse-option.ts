import { InvalidArgumentError } from "commander";

/** A whole number from `min` on. commander puts the option's name in front of what is thrown. */
export function parseWhole(min: number, what: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text.trim()) || !Number.isSafeInteger(value) || value < min) {
      throw new InvalidArgumentError(`${what} is a whole number of at least ${min}, not ${JSON.stringify(text)}.`);
    }
    return value;
  };
}

/** A port of TCP; 0 for any that is free. */
export function parsePort(text: string): number {
  const value = parseWhole(0, "A port")(text);
  if (value > 65_535) throw new InvalidArgumentError(`A port is at most 65535, not ${value}.`);
  return value;
}

/** A number above 0. */
export function parsePositive(what: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value) || value <= 0) {
      throw new InvalidArgumentError(`${what} is a number above 0, not ${JSON.stringify(text)}.`);
    }
    return value;
  };
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  "": 1000,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
/** Timers take no more than this. */
const LONGEST_MS = 2 ** 31 - 1;

/** A duration in milliseconds: `90`, `90s`, `500ms`, `2m`, `1h`, `7d`. A bare number is in seconds. */
export function parseDuration(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/.exec(text);
  const unit = match === null ? undefined : UNITS[match[2] as string];
  const ms = match === null || unit === undefined ? Number.NaN : Number(match[1]) * unit;
  if (!(ms > 0 && ms <= LONGEST_MS)) {
    throw new InvalidArgumentError(
      `A duration is a number above 0 with a unit, such as 90s, 500ms, 2m or 1h (at most 24 days), not ${JSON.stringify(text)}.`,
    );
  }
  return ms;
}

/** One of a few words. */
export function parseWord<Word extends string>(words: readonly Word[]): (text: string) => Word {
  return (text) => {
    if (!(words as readonly string[]).includes(text))
      throw new InvalidArgumentError(`It is one of ${words.join(", ")}, not ${JSON.stringify(text)}.`);
    return text as Word;
  };
}

/** How fast a replay goes: a factor, or `max` for at once. */
export function parseSpeed(text: string): number {
  if (text === "max") return Number.POSITIVE_INFINITY;
  const value = Number(text.replace(/x$/, ""));
  if (text.trim() === "" || !Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError(
      `A speed is a number above 0, such as 1 or 10, or max, not ${JSON.stringify(text)}.`,
    );
  }
  return value;
}
