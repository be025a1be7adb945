import { ValidationError } from "../../errors.ts";
import type { StoredEvent } from "../../event/event.ts";
import type { Session } from "../../store/session-store.ts";
import type { ServerParts } from "../server-parts.ts";
import type { RunOverview } from "../sessions/runs-fold.ts";
import type { StreamPart, StreamSource, StreamTail } from "./read-stream.ts";

const READ_EVENTS = 500;

const encoder = new TextEncoder();

/**
 * A session, or one run of it, as a JSON stream: a message for each event, its position the event's `seq`. A session's stream is never closed,
 * for it may run again; a run's is closed by its `final`.
 */
export function createSessionSource({ store, logs }: ServerParts, session: Session, run?: RunOverview): StreamSource {
  const { id } = session;
  const start = run === undefined ? 0 : run.startedSeq - 1;
  /** Known once the run's end was met. */
  let finalSeq = run === undefined || run.status === "running" ? undefined : run.lastSeq;

  const tail = async (): Promise<StreamTail> => {
    const now = await store.get(id);
    if (now === undefined) throw gone(id);
    if (run === undefined) return { tail: now.lastSeq, closed: false };
    if (finalSeq === undefined && now.openRun?.runId !== run.runId)
      for await (const event of store.read(id, { after: run.lastSeq })) if (event.runId === run.runId) noteFinal(event);
    return finalSeq === undefined ? { tail: now.lastSeq, closed: false } : { tail: finalSeq, closed: true };
  };

  const noteFinal = (event: StoredEvent): void => {
    if (event.type === "final" && finalSeq === undefined) finalSeq = event.seq;
  };

  return {
    contentType: "application/json",
    id: `${id}${run === undefined ? "" : `/${run.runId}`}`.replaceAll(/[^\w./-]/g, "_"),
    start,
    headers: {},
    tail,
    async read(from): Promise<StreamPart> {
      const now = await tail();
      const lines: string[] = [];
      let next = from;
      const limit = Math.min(READ_EVENTS, now.tail - from);
      if (limit > 0)
        for await (const event of store.read(id, { after: from, limit })) {
          lines.push(`${JSON.stringify(event)},`);
          next = event.seq;
        }
      if (from > now.tail && from > start)
        throw new ValidationError("invalid_option", "The offset is none that this stream has given; begin at -1.");
      return { bytes: encoder.encode(lines.join("")), next, tail: now.tail, closed: now.closed };
    },
    async changed(seen, signal) {
      const now = await tail();
      if (signal.aborted || now.tail !== seen.tail || now.closed !== seen.closed) return;
      // Events that come are shared by all who read along; one is enough to look again.
      for await (const _batch of logs.follow(id, seen.tail, signal)) return;
    },
  };
}

function gone(sessionId: string): ValidationError {
  return new ValidationError("stream_unknown", `There is no session ${JSON.stringify(sessionId)}.`);
}
