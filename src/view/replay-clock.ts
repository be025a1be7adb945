/** When the events of a log happened, for showing it again at its own pace or faster. */
export interface ReplayTimes {
  /** Of each event: milliseconds of playing from the first, never less than that of the event before. */
  readonly offsets: Float64Array;
  readonly durationMs: number;
}

/**
 * @param moments of each event, by the clock of who stored it; a clock that went back counts as standing still
 * @param longestPause a pause that is longer is made as long as this
 */
export function measureReplay(moments: readonly number[], { longestPause = Infinity } = {}): ReplayTimes {
  const offsets = new Float64Array(moments.length);
  for (let at = 1; at < moments.length; at++) {
    const pause = Math.max(0, (moments[at] as number) - (moments[at - 1] as number));
    offsets[at] = (offsets[at - 1] ?? 0) + Math.min(pause, longestPause);
  }
  return { offsets, durationMs: offsets.at(-1) ?? 0 };
}

/** How many events have happened after so much playing. */
export function countPlayed({ offsets }: ReplayTimes, elapsedMs: number): number {
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((offsets[middle] as number) <= elapsedMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
