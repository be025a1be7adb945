import type { StoredEvent } from "../event/event.ts";
import type { Session, SessionStore } from "../store/session-store.ts";
import { LoopProgress } from "./render/loop-progress.ts";

/** The next event of a log, while several are read side by side. */
interface Head {
  readonly events: AsyncIterator<StoredEvent>;
  event: StoredEvent;
}

/**
 * A loop's own events and those of its iterations, in the order of their clocks; at the same moment the loop's own come first,
 * so that an iteration is known before its events. Reads a little of each log at a time, however long they are.
 */
export async function* readLoopEvents(store: SessionStore, loopId: string, options: { readonly after?: number } = {}): AsyncGenerator<StoredEvent> {
  const children = await store.list({ parentId: loopId });
  // A place in the loop's log is a moment in the logs of its iterations.
  const since = options.after === undefined ? undefined : await momentOf(store, loopId, options.after);
  const heads: Head[] = [];
  const open = async (sessionId: string, after: number): Promise<void> => {
    const events = store.read(sessionId, { after })[Symbol.asyncIterator]();
    for (let next = await events.next(); next.done !== true; next = await events.next()) {
      // A child's first event says whose it is, so it is never left out.
      if (sessionId !== loopId && since !== undefined && next.value.at <= since && next.value.type !== "run.started") continue;
      heads.push({ events, event: next.value });
      return;
    }
  };
  await open(loopId, options.after ?? 0);
  for (const child of children.toReversed()) await open(child.id, 0);
  try {
    while (heads.length > 0) {
      let first = heads[0] as Head;
      for (const head of heads) if (head.event.at < first.event.at) first = head;
      yield first.event;
      const next = await first.events.next();
      if (next.done === true) heads.splice(heads.indexOf(first), 1);
      else first.event = next.value;
    }
  } finally {
    for (const head of heads) await head.events.return?.();
  }
}

async function momentOf(store: SessionStore, sessionId: string, seq: number): Promise<number | undefined> {
  if (seq < 1) return undefined;
  for await (const event of store.read(sessionId, { after: seq - 1, limit: 1 })) return event.at;
  return Number.POSITIVE_INFINITY;
}

/** What a stored loop looks like now. */
export async function readLoopProgress(store: SessionStore, loopId: string): Promise<LoopProgress> {
  const progress = new LoopProgress();
  for await (const event of store.read(loopId)) progress.add(event);
  for (const { session, iteration } of await listIterationSessions(store, loopId)) {
    const known = progress.iterations.find(({ index }) => index === iteration);
    if (known !== undefined) known.sessionId = session.id;
  }
  return progress;
}

/** The sessions of a loop's iterations with their index, oldest first: of one index the last is the one that counts. */
export async function listIterationSessions(
  store: SessionStore,
  loopId: string,
): Promise<{ readonly session: Session; readonly iteration: number }[]> {
  const found: { readonly session: Session; readonly iteration: number }[] = [];
  for (const session of (await store.list({ parentId: loopId })).toReversed()) {
    for await (const event of store.read(session.id, { limit: 1 })) {
      const iteration = event.type === "run.started" ? event.parent?.iteration : undefined;
      if (iteration !== undefined) found.push({ session, iteration });
    }
  }
  return found;
}
