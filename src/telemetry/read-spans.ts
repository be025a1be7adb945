import { ValidationError } from "../errors.ts";
import type { StoredEvent } from "../event/event.ts";
import type { Session, SessionStore } from "../store/session-store.ts";
import { parseTraceparent } from "./traceparent.ts";
import type { ProjectionOptions } from "./span-projection.ts";
import { SpanProjection } from "./span-projection.ts";
import { deriveTraceId } from "./span-ids.ts";
import type { SpanChange, SpanRecord } from "./span-record.ts";

/** Loops in boxes of loops: deeper than anybody goes, and an end where the log should hold a circle. */
const MAX_DEPTH = 16;

/**
 * The spans of a stored session and of its iterations, as far as the log goes; what has not ended has no span yet.
 *
 * @throws ValidationError `session_unknown`; StoreError
 * @experimental
 */
export async function* readSpans(
  store: SessionStore,
  sessionId: string,
  options: ProjectionOptions = {},
): AsyncGenerator<SpanRecord> {
  for await (const change of readSpanChanges(store, sessionId, options))
    if (change.change === "closed") yield change.span;
}

/** As {@link readSpans}, with the beginnings of spans too. */
export async function* readSpanChanges(
  store: SessionStore,
  sessionId: string,
  options: ProjectionOptions,
): AsyncGenerator<SpanChange> {
  const session = await store.get(sessionId);
  if (session === undefined)
    throw new ValidationError("session_unknown", `There is no session ${sessionId} whose spans could be read.`);
  const parent = options.parent ?? parseTraceparent(session.labels["traceparent"]);
  const projection = new SpanProjection({ ...options, ...(parent === undefined ? {} : { parent }) });
  await prepareProjection(projection, store, session);
  yield* readInto(projection, store, session);
}

/** Tells the projection what a session's own events do not say. */
export async function prepareProjection(
  projection: SpanProjection,
  store: SessionStore,
  session: Session,
): Promise<void> {
  if (session.forkedFrom !== undefined) projection.setFork(session.id, session.forkedFrom);
  const traceId = await findTrace(store, session);
  if (traceId !== undefined) projection.setTrace(session.id, traceId);
}

/** The trace of the outermost session on whose behalf this one was run; undefined where the session's own events name it. */
async function findTrace(store: SessionStore, { parentId }: Session): Promise<string | undefined> {
  if (parentId === undefined) return undefined;
  let outer = await store.get(parentId);
  for (let depth = 0; outer?.parentId !== undefined && depth < MAX_DEPTH; depth++)
    outer = await store.get(outer.parentId);
  if (outer === undefined) return undefined;
  const given = parseTraceparent(outer.labels["traceparent"]);
  if (given !== undefined) return given.traceId;
  if (outer.kind === "loop") return deriveTraceId(outer.id);
  // A run names the run that it was made by, and that one's trace is its own.
  return outer.id === parentId ? undefined : traceOfFirstRun(store, outer.id);
}

async function traceOfFirstRun(store: SessionStore, sessionId: string): Promise<string | undefined> {
  for await (const event of store.read(sessionId, { limit: 1 })) return deriveTraceId(event.runId);
  return undefined;
}

async function* readInto(
  projection: SpanProjection,
  store: SessionStore,
  session: Session,
): AsyncGenerator<SpanChange> {
  /** The sessions of iterations under way, read when those end, or with the run that they were under way in. */
  const children = new Map<number, string>();
  const sharedSeq = session.forkedFrom?.atSeq ?? 0;
  for await (const event of store.read(session.id)) {
    if (event.seq > sharedSeq) {
      for (const child of takeEnded(event, children))
        for await (const childEvent of readOnBehalfOf(store, child, event.runId)) yield* projection.add(childEvent);
    }
    yield* projection.add(event);
    if (event.type === "iteration.started") children.set(event.index, event.iterationSessionId);
  }
  const runId = session.openRun?.runId;
  if (runId === undefined) return;
  for (const child of children.values())
    for await (const event of readOnBehalfOf(store, child, runId)) yield* projection.add(event);
}

function takeEnded(event: StoredEvent, children: Map<number, string>): string[] {
  if (event.type === "final") {
    const all = [...children.values()];
    children.clear();
    return all;
  }
  if (event.type !== "iteration.ended") return [];
  const child = children.get(event.index);
  children.delete(event.index);
  return child === undefined ? [] : [child];
}

/** Two runs of a loop may have worked in one session: what was run for one of them. */
async function* readOnBehalfOf(
  store: SessionStore,
  sessionId: string,
  parentRunId: string,
): AsyncGenerator<StoredEvent> {
  // It was begun, but nothing of it was ever stored.
  if ((await store.get(sessionId)) === undefined) return;
  let isMine = false;
  for await (const event of store.read(sessionId)) {
    if (event.type === "run.started") isMine = event.parent?.runId === parentRunId;
    if (isMine) yield event;
  }
}
