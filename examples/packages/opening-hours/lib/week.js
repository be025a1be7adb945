export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
export const MINUTES_PER_DAY = 24 * 6;
export const MINUTES_PER_WEEK = DAYS.length * 1440;

/** Minutes since Monday, 00:00. */
export function toMinute(day, hour, minute = 0) {
  const index = DAYS.indexOf(day);
  if (index === -1) throw new RangeError(`Not a day: ${day}`);
  return index * 1440 + hour * 60 + minute;
}

/** The day and time of a minute of the week. */
export function fromMinute(minute) {
  const inWeek = minute % MINUTES_PER_WEEK;
  const inDay = inWeek % 1440;
  return { day: DAYS[Math.floor(inWeek / 1440)], hour: Math.floor(inDay / 60), minute: inDay % 60 };
}
