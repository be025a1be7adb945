import { DAYS, MINUTES_PER_DAY, toMinute } from './week.js';

const RULE = /^([a-z]{3})(?:-([a-z]{3}))? (\d\d):(\d\d)-(\d\d):(\d\d)$/;

/** Parses "mon-fri 09:00-17:30; sat 22:00-02:00" into intervals of minutes of the week. */
export function parseHours(text) {
  const intervals = [];
  for (const rule of text.split(';').map((part) => part.trim()).filter(Boolean)) {
    const match = RULE.exec(rule);
    if (!match) throw new SyntaxError(`Not a rule: ${rule}`);
    const [, first, last, openHour, openMinute, closeHour, closeMinute] = match;
    for (const day of daysBetween(first, last ?? first)) {
      const from = toMinute(day, Number(openHour), Number(openMinute));
      const to = toMinute(day, Number(closeHour), Number(closeMinute));
      // A time that ends before it begins ends on the next day.
      intervals.push({ from, to: to > from ? to : to + MINUTES_PER_DAY });
    }
  }
  return intervals.sort((one, other) => one.from - other.from);
}

function daysBetween(first, last) {
  const start = DAYS.indexOf(first);
  const end = DAYS.indexOf(last);
  if (start === -1 || end === -1) throw new SyntaxError(`Not a day: ${start === -1 ? first : last}`);
  const count = ((end - start + DAYS.length) % DAYS.length) + 1;
  return Array.from({ length: count }, (_, index) => DAYS[(start + index) % DAYS.length]);
}
