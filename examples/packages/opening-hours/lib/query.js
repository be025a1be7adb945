import { fromMinute, MINUTES_PER_WEEK, toMinute } from './week.js';

/** Whether it is open; the minute of closing is closed already. */
export function isOpen(intervals, day, hour, minute) {
  const now = toMinute(day, hour, minute);
  return intervals.some(({ from, to }) => contains(from, to, now) || contains(from, to, now + MINUTES_PER_WEEK));
}

function contains(from, to, minute) {
  return minute >= from && minute <= to;
}

/** When it opens next, and in how many minutes; null where it never does. */
export function nextOpening(intervals, day, hour, minute, { within } = {}) {
  if (intervals.length === 0) return null;
  const now = toMinute(day, hour, minute);
  const limit = within || MINUTES_PER_WEEK;
  const waits = intervals.map(({ from }) => (from - now + MINUTES_PER_WEEK) % MINUTES_PER_WEEK);
  const wait = Math.min(...waits);
  return wait <= limit ? { ...fromMinute(now + wait), wait } : null;
}
