import { ValidationError } from "../errors.ts";
import type { StoredEvent } from "../event/event.ts";
import type { SessionStore } from "../store/session-store.ts";
import { prepareProjection } from "./read-spans.ts";
import type { SpanProjection } from "./span-projection.ts";
import type { OpenedSpan, SpanChange, SpanRecord } from "./span-record.ts";

/**
 * Brings a projection to where a session's log stands, and answers the changes that nobody can have handed over: spans that are still open, and
 * those of the last run that recovery closed because the process that had opened them was dead.
 *
 * @throws ValidationError `session_unknown`; StoreError
 */
export async function recallSession(
  projection: SpanProjection,
  store: SessionStore,
  sessionId: string,
): Promise<readonly SpanChange[]> {
  const session = await store.get(sessionId);
  if (session === undefined)
    throw new ValidationError("session_unknown", `There is no session ${sessionId} to recall.`);
  await prepareProjection(projection, store, session);
  const unended = new Unended(projection);
  /** Of the last run: the iterations that it did not end, with their sessions. */
  const underWay = new Map<number, string>();
  for await (const event of store.read(sessionId)) {
    if (event.type === "run.started") underWay.clear();
    else if (event.type === "iteration.started") underWay.set(event.index, event.iterationSessionId);
    else if (event.type === "iteration.ended") underWay.delete(event.index);
    unended.add(event, event.runId === session.lastRunId);
  }
  for (const child of underWay.values()) {
    if ((await store.get(child)) === undefined) continue;
    let isOfLastRun = false;
    for await (const event of store.read(child)) {
      if (event.type === "run.started") isOfLastRun = event.parent?.runId === session.lastRunId;
      unended.add(event, isOfLastRun);
    }
  }
  return unended.changes();
}

class Unended {
  readonly #projection: SpanProjection;
  readonly #opened = new Map<string, OpenedSpan>();
  readonly #closed: SpanRecord[] = [];

  constructor(projection: SpanProjection) {
    this.#projection = projection;
  }

  add(event: StoredEvent, isOfLastRun: boolean): void {
    for (const change of this.#projection.add(event)) {
      if (change.change === "opened") this.#opened.set(change.span.spanId, change.span);
      else if (change.interrupted && isOfLastRun) this.#closed.push(change.span);
      else this.#opened.delete(change.span.spanId);
    }
  }

  /** All beginnings before the first end, so that a parent is there when its child begins. */
  changes(): SpanChange[] {
    return [
      ...Array.from(this.#opened.values(), (span): SpanChange => ({ change: "opened", span })),
      ...this.#closed.map((span): SpanChange => ({ change: "closed", span, interrupted: true })),
    ];
  }
}
