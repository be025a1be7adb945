import { useEffect, useMemo } from "preact/hooks";
import { useObservable } from "./observable.ts";
import { SessionLog } from "./session-log.ts";

/** The log of a session for as long as a component shows it. */
export function useSessionLog(sessionId: string): SessionLog {
  const log = useMemo(() => new SessionLog(sessionId), [sessionId]);
  useEffect(() => () => log.close(), [log]);
  useObservable(log);
  return log;
}
