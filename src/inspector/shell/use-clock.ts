import { useEffect, useState } from "preact/hooks";

/** The time, every second while something runs, else every half minute. */
export function useClock(isRunning: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), isRunning ? 1000 : 30_000);
    return () => clearInterval(timer);
  }, [isRunning]);
  return now;
}
