import type { StoredEvent } from "../event/event.ts";
import type { ChangeSignal } from "./change-signal.ts";
import type { Session, TailOptions } from "./session-store.ts";

/** What a tail needs of its store. */
export interface TailSource {
  /**
   * The next events after `after`, at most a page; none at the end of the log.
   * @throws ValidationError `session_unknown`
   */
  readPage(sessionId: string, after: number): Promise<StoredEvent[]>;
  /** @throws ValidationError `session_unknown` */
  load(sessionId: string): Promise<Session>;
  readonly changes: Pick<ChangeSignal, "version" | "follow" | "changed">;
  /** Fires when the store is closed. */
  readonly closed: AbortSignal;
}

/** The past, then the live events, without a gap between the two and without doubles. */
export async function* tailLog(
  source: TailSource,
  sessionId: string,
  options: TailOptions,
): AsyncGenerator<StoredEvent> {
  const ended = options.signal === undefined ? source.closed : AbortSignal.any([options.signal, source.closed]);
  const unfollow = source.changes.follow(sessionId);
  let after = options.after ?? 0;
  try {
    while (!ended.aborted) {
      const seen = source.changes.version(sessionId);
      const page = await source.readPage(sessionId, after);
      for (const event of page) {
        if (ended.aborted) return;
        after = event.seq;
        yield event;
        if (event.type === "final" && options.until === "final") return;
      }
      if (page.length > 0) continue;
      if (options.until === "final") {
        const session = await source.load(sessionId);
        if (session.lastSeq > after) continue;
        if (session.openRun === undefined) return;
      }
      await source.changes.changed(sessionId, seen, ended);
    }
  } catch (error) {
    // A page that the closing of the store cut off is the end of the tail, not a failure of it.
    if (!ended.aborted) throw error;
  } finally {
    unfollow();
  }
}
