import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatDuration } from "../../view/format-figures.ts";
import { tellsFailure } from "../../view/event-blocks.ts";
import { countPlayed, measureReplay, type ReplayTimes } from "../../view/replay-clock.ts";
import type { SessionLog } from "../data/session-log.ts";
import { useKeys } from "../shell/keys.ts";

const SPEEDS = [1, 2, 4, 8, 16, 64, 256] as const;
const SHORT_PAUSE_MS = 1000;
const MAX_TICKS = 100;

export interface ScrubberProps {
  readonly log: SessionLog;
  /** How many events are shown; undefined for all there are, and those that come. */
  readonly position: number | undefined;
  readonly onPosition: (position: number | undefined) => void;
}

/** Moves through a run: by hand, event by event, or again at its own pace and faster. */
export function Scrubber({ log, position, onPosition }: ScrubberProps) {
  const [isPlaying, setPlaying] = useState(false);
  const [speed, setSpeed] = useState<number>(1);
  const [skipsPauses, setSkipsPauses] = useState(false);
  const count = log.events.length;
  const shown = position ?? count;
  const times = useRef<ReplayTimes | undefined>(undefined);
  const current = useRef(shown);
  current.current = shown;

  useEffect(() => {
    if (!isPlaying) return;
    times.current = measureReplay(
      log.events.map(({ at }) => at),
      skipsPauses ? { longestPause: SHORT_PAUSE_MS } : {},
    );
    const { offsets } = times.current;
    let elapsed = offsets[Math.max(0, current.current - 1)] ?? 0;
    let before = performance.now();
    let frame = requestAnimationFrame(function step(now) {
      elapsed += (now - before) * speed;
      before = now;
      const played = countPlayed(times.current as ReplayTimes, elapsed);
      if (played >= offsets.length) {
        setPlaying(false);
        onPosition(undefined);
        return;
      }
      if (played !== current.current) onPosition(played);
      frame = requestAnimationFrame(step);
    });
    return () => cancelAnimationFrame(frame);
  }, [isPlaying, speed, skipsPauses]);

  const play = (): void => {
    if (!isPlaying && shown >= count) onPosition(1);
    setPlaying(!isPlaying);
  };
  const step = (change: number): void => {
    setPlaying(false);
    const next = Math.max(1, shown + change);
    onPosition(next >= count ? undefined : next);
  };
  const changeSpeed = (change: number): void => {
    const at = SPEEDS.findIndex((one) => one === speed) + change;
    setSpeed(SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at))] as number);
  };
  useKeys({
    " ": play,
    ",": () => step(-1),
    ".": () => step(1),
    "<": () => changeSpeed(-1),
    ">": () => changeSpeed(1),
    f: () => {
      setPlaying(false);
      onPosition(undefined);
      // The timeline follows from there on.
      return false;
    },
  });

  const failures = useMemo(() => {
    const places: number[] = [];
    for (const block of log.grouper.blocks) {
      if (places.length >= MAX_TICKS) break;
      if (tellsFailure(block)) places.push(block.firstSeq);
    }
    return places;
  }, [log, Math.floor(log.grouper.blocks.length / 50), log.isLoaded]);

  const start = log.events[0]?.at ?? 0;
  const now = (log.events[shown - 1]?.at ?? start) - start;
  return (
    <div class="scrubber" role="group" aria-label="Replay">
      <button
        type="button"
        class="play"
        onClick={play}
        disabled={count === 0}
        aria-label={isPlaying ? "Pause" : "Play"}
      >
        {isPlaying ? "❚❚" : "▶"}
      </button>
      <span class="track">
        <span class="ticks" aria-hidden="true">
          {failures.map((seq) => (
            <span class="tick" style={{ left: `${(100 * seq) / Math.max(1, count)}%` }} />
          ))}
        </span>
        <input
          type="range"
          min={1}
          max={Math.max(1, count)}
          value={shown}
          disabled={count === 0}
          aria-label="Position in the run"
          aria-valuetext={`event ${shown} of ${count}, after ${formatDuration(now)}`}
          onInput={(event) => {
            setPlaying(false);
            const value = Number(event.currentTarget.value);
            onPosition(value >= count ? undefined : value);
          }}
        />
      </span>
      <span class="figure scrub-time">{formatDuration(now)}</span>
      <span class="figure scrub-count">{`${shown.toLocaleString("en-US")} / ${count.toLocaleString("en-US")}`}</span>
      <select
        aria-label="Speed"
        value={String(speed)}
        onChange={(event) => setSpeed(Number(event.currentTarget.value))}
      >
        {SPEEDS.map((one) => (
          <option value={String(one)}>{`${one}×`}</option>
        ))}
      </select>
      <label class="pauses">
        <input type="checkbox" checked={skipsPauses} onChange={() => setSkipsPauses(!skipsPauses)} />
        skip pauses
      </label>
      <button
        type="button"
        class="live"
        disabled={position === undefined}
        onClick={() => {
          setPlaying(false);
          onPosition(undefined);
        }}
      >
        {position === undefined ? "at the end" : "to the end"}
      </button>
    </div>
  );
}
