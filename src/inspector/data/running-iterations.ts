import { useEffect, useMemo, useReducer, useRef } from "preact/hooks";
import { useObservable } from "./observable.ts";
import { directory } from "./session-directory.ts";
import { SessionLog } from "./session-log.ts";

/** So many iterations that run are looked into, for what they are doing and what they ask. */
const MAX_WATCHED = 16;

/** An iteration that runs, and its events until now. */
export interface RunningIteration {
  readonly index: number;
  readonly log: SessionLog;
}

/** The iterations that a loop runs now, read on as far as the list of sessions says that there is news. Of a session that is no loop: none. */
export function useRunningIterations(loop: SessionLog): readonly RunningIteration[] {
  useObservable(directory);
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const logs = useMemo(() => new Map<string, SessionLog>(), [loop]);
  useEffect(
    () => () => {
      for (const log of logs.values()) log.close();
      logs.clear();
    },
    [logs],
  );
  const running = useRunning(loop).slice(0, MAX_WATCHED);
  useEffect(() => {
    for (const [id, log] of logs) {
      if (running.some(([, wanted]) => wanted === id)) continue;
      log.close();
      logs.delete(id);
    }
    for (const [, id] of running) {
      const session = directory.get(id);
      const log = logs.get(id);
      if (session === undefined) continue;
      if (log === undefined) {
        const watched = new SessionLog(id, { live: false });
        watched.subscribe(() => redraw(undefined));
        logs.set(id, watched);
      } else if (log.isLoaded && session.lastSeq > log.lastSeq) void log.refresh();
    }
  }, [logs, running.join(" "), directory.version]);
  return running.flatMap(([index, id]) => {
    const log = logs.get(id);
    return log === undefined ? [] : [{ index, log }];
  });
}

/** Index and session of the iterations that have begun and not ended. */
function useRunning(loop: SessionLog): [index: number, sessionId: string][] {
  const read = useRef({ loop, count: 0, running: new Map<number, string>() });
  if (read.current.loop !== loop) read.current = { loop, count: 0, running: new Map() };
  const { current } = read;
  for (; current.count < loop.events.length; current.count++) {
    const event = loop.events[current.count];
    if (event?.type === "iteration.started") current.running.set(event.index, event.iterationSessionId);
    else if (event?.type === "iteration.ended") current.running.delete(event.index);
    else if (event?.type === "run.started" || event?.type === "final") current.running.clear();
  }
  return [...current.running].sort(([a], [b]) => a - b);
}
