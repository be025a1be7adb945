import type { StoredEvent } from "../event/event.ts";
import { readLoopEvents } from "./read-loop.ts";
import type { Session, SessionStore, TailOptions } from "../store/session-store.ts";

const LOOK_FOR_CHILDREN_MS = 250;

/**
 * Hands over a session's events, the past and then the live ones, whoever writes them; for a loop those of its iterations too.
 * Resolves when the session's tail ends, after the iterations that were known by then.
 */
export async function followSession(
  store: SessionStore,
  session: Session,
  options: TailOptions,
  onEvent: (event: StoredEvent) => void,
): Promise<void> {
  if (session.kind !== "loop") {
    for await (const event of store.tail(session.id, options)) onEvent(event);
    return;
  }
  // The past of a loop in the order of its clocks; from there on each log by itself, for the live order is the order of arrival.
  const seen = new Map<string, number>();
  for await (const event of readLoopEvents(store, session.id, options)) {
    if (options.signal?.aborted) return;
    seen.set(event.sessionId, event.seq);
    onEvent(event);
  }
  const tailing = new Set<string>();
  const tails: Promise<void>[] = [];
  const controller = new AbortController();
  const signal =
    options.signal === undefined ? controller.signal : AbortSignal.any([options.signal, controller.signal]);
  const tailChild = async (sessionId: string): Promise<void> => {
    for await (const event of store.tail(sessionId, { until: "final", after: seen.get(sessionId) ?? 0, signal }))
      onEvent(event);
  };
  const look = async (): Promise<void> => {
    const children = await store.list({ parentId: session.id });
    for (const child of children.toReversed()) {
      if (tailing.has(child.id)) continue;
      tailing.add(child.id);
      tails.push(tailChild(child.id));
    }
  };
  // A new iteration shows first in the loop's own log, but its session may come into being a moment later.
  const timer = setInterval(() => void look().catch(() => {}), LOOK_FOR_CHILDREN_MS);
  try {
    await look();
    for await (const event of store.tail(session.id, {
      ...options,
      after: seen.get(session.id) ?? options.after ?? 0,
    })) {
      onEvent(event);
      if (event.type === "iteration.started" || event.type === "run.started") await look();
    }
    // An iteration ends before its loop does: what is still on its way is worth the wait.
    await Promise.all(tails);
  } finally {
    clearInterval(timer);
    controller.abort();
    await Promise.allSettled(tails);
  }
}
