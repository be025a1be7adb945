import { fromMinute } from './week.js';

/** One line for each interval, for a person. */
export function describeHours(intervals) {
  return intervals.map(({ from, to }) => {
    const open = fromMinute(from);
    const close = fromMinute(to);
    const until = open.day === close.day ? formatTime(close) : `${close.day} ${formatTime(close)}`;
    return `${open.day} ${formatTime(open)} to ${until}`;
  });
}

function formatTime({ hour, minute }) {
  return `${hour}:${String(minute).padStart(2, '0')}`;
}
