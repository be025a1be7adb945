import type { Context, Hono } from "hono";
import { SkeinError, ValidationError } from "../../errors.ts";
import { sessionUnknown } from "../../store/store-faults.ts";
import type { Session, SessionFilter, SessionStatus } from "../../store/session-store.ts";
import { requireRead, requireReadAll } from "../access/request-guard.ts";
import { eventStreamResponse, toEventFrame } from "../http/event-stream.ts";
import { parseWholeQuery } from "../http/parse-query.ts";
import type { RequestEnv, ServerParts } from "../server-parts.ts";

const STATUSES: readonly SessionStatus[] = ["created", "running", "completed", "failed", "aborted", "interrupted"];
const DEFAULT_SESSIONS = 50;
const MAX_SESSIONS = 500;
const DEFAULT_EVENTS = 1000;
const MAX_EVENTS = 10_000;

const encoder = new TextEncoder();

/** The session of a request, if its caller may read it. @throws ValidationError `session_unknown`, `token_refused` */
export async function loadReadable(context: Context<RequestEnv>, { store }: ServerParts): Promise<Session> {
  const id = context.req.param("id") ?? "";
  const session = await store.get(id);
  const caller = context.get("caller");
  // Who may read one session does not learn which others there are.
  if (session === undefined) requireReadAll(caller);
  if (session === undefined) throw sessionUnknown(id);
  requireRead(caller, session);
  return session;
}

/** Reading: sessions, their events past and live, blobs. */
export function addSessionRoutes(app: Hono<RequestEnv>, parts: ServerParts): void {
  const { store, logs, folds, watch } = parts;

  app.get("/api/sessions", async (context) => {
    requireReadAll(context.get("caller"));
    return context.json(await listSessions(parts, context));
  });

  app.get("/api/sessions/changes", (context) => {
    requireReadAll(context.get("caller"));
    return openEvents(context, parts, async function* changes(signal) {
      for await (const message of watch.follow(signal))
        yield toEventFrame({ event: "sessions", data: JSON.stringify(message) });
    });
  });

  app.get("/api/sessions/:id", async (context) => {
    const session = await loadReadable(context, parts);
    return context.json({ ...session, runs: await folds.runs(session) });
  });

  app.get("/api/sessions/:id/events", async (context) => {
    const session = await loadReadable(context, parts);
    const after = parseWholeQuery("after", context.req.query("after")) ?? 0;
    const limit = parseWholeQuery("limit", context.req.query("limit"), { min: 1, max: MAX_EVENTS }) ?? DEFAULT_EVENTS;
    const asArray = (context.req.header("accept") ?? "").includes("application/json");
    const events = store.read(session.id, { after, limit: Math.min(limit, Math.max(0, session.lastSeq - after)) });
    return new Response(toLines(events, asArray), {
      headers: {
        "content-type": asArray ? "application/json" : "application/x-ndjson",
        "cache-control": "no-store",
        "skein-last-seq": String(session.lastSeq),
      },
    });
  });

  app.get("/api/sessions/:id/live", async (context) => {
    const session = await loadReadable(context, parts);
    const header = context.req.header("last-event-id");
    const after = parseWholeQuery("Last-Event-ID", header) ?? parseWholeQuery("after", context.req.query("after")) ?? 0;
    return openEvents(context, parts, async function* live(signal) {
      for await (const batch of logs.follow(session.id, after, signal)) yield batch.frames();
    });
  });

  app.get("/api/sessions/:id/lineage", async (context) => {
    const session = await loadReadable(context, parts);
    return context.json(await folds.lineage(session));
  });

  app.get("/api/blobs/:digest", async (context) => {
    requireReadAll(context.get("caller"));
    const digest = context.req.param("digest");
    let bytes: Uint8Array;
    try {
      bytes = await store.getBlob({ digest, size: 0 });
    } catch (cause) {
      if (!SkeinError.is(cause) || cause.code !== "store_failed") throw cause;
      throw new ValidationError("blob_unknown", cause.message, { cause });
    }
    return new Response(new Uint8Array(bytes), {
      headers: {
        // What an agent made is never shown as a page of this server.
        "content-type": "application/octet-stream",
        "content-disposition": "attachment",
        "content-security-policy": "sandbox; default-src 'none'",
        "x-content-type-options": "nosniff",
        "cache-control": "private, max-age=31536000, immutable",
      },
    });
  });
}

/** Opens a stream of events for the caller, in a place that the server has left. */
export function openEvents(
  context: Context<RequestEnv>,
  { limits, closing, heartbeatMs }: ServerParts,
  open: (signal: AbortSignal) => AsyncIterator<string | Uint8Array, void>,
): Response {
  const onEnd = limits.openStream();
  const { signal } = context.get("caller");
  return eventStreamResponse(open, {
    signal: signal === undefined ? closing : AbortSignal.any([signal, closing]),
    onEnd,
    heartbeatMs,
  });
}

async function listSessions(
  { store }: ServerParts,
  context: Context<RequestEnv>,
): Promise<{ sessions: Session[]; next?: string }> {
  const { status, kind, label, parentId, before } = context.req.query();
  if (status !== undefined && !(STATUSES as readonly string[]).includes(status))
    throw new ValidationError(
      "invalid_option",
      `status is one of ${STATUSES.join(", ")}, not ${JSON.stringify(status.slice(0, 40))}.`,
    );
  const limit = parseWholeQuery("limit", context.req.query("limit"), { min: 1, max: MAX_SESSIONS }) ?? DEFAULT_SESSIONS;
  const cursor = parseCursor(before);
  const filter: SessionFilter = {
    ...(status === undefined ? {} : { status: status as SessionStatus }),
    ...(kind === undefined ? {} : { kind }),
    ...(label === undefined ? {} : { label }),
    // An empty one means: those without a parent.
    ...(parentId === undefined ? {} : { parentId: parentId === "" || parentId === "null" ? null : parentId }),
  };
  // Sessions of one millisecond may be cut by a page: those are asked for again and what was shown is left out.
  const found: Session[] = [];
  for (let size = limit + 1; ; size *= 2) {
    const page = await store.list({
      ...filter,
      ...(cursor === undefined ? {} : { before: cursor.createdAt + 1 }),
      limit: size,
    });
    found.length = 0;
    for (const session of page) if (cursor === undefined || isAfter(session, cursor)) found.push(session);
    if (found.length > limit || page.length < size) break;
  }
  const sessions = found.slice(0, limit);
  const last = sessions.at(-1);
  if (found.length <= limit || last === undefined) return { sessions };
  return { sessions, next: `${last.createdAt}.${last.id}` };
}

interface Cursor {
  readonly createdAt: number;
  readonly id?: string;
}

/** `before` is a moment in milliseconds, or what `next` was in the answer before. */
function parseCursor(text: string | undefined): Cursor | undefined {
  if (text === undefined || text === "") return undefined;
  const match = /^(\d{1,16})(?:\.(.+))?$/s.exec(text);
  if (match === null)
    throw new ValidationError(
      "invalid_option",
      "before is a moment in milliseconds, or the `next` of the page before.",
    );
  return { createdAt: Number(match[1]), ...(match[2] === undefined ? {} : { id: match[2] }) };
}

/** Newest first, by creation and then id, as the store lists them. */
function isAfter(session: Session, cursor: Cursor): boolean {
  if (session.createdAt !== cursor.createdAt) return session.createdAt < cursor.createdAt;
  return cursor.id !== undefined && session.id < cursor.id;
}

/** Events as they are read: a long log is never in memory as a whole. */
function toLines(events: AsyncIterable<unknown>, asArray: boolean): ReadableStream<Uint8Array> {
  const iterator = events[Symbol.asyncIterator]() as AsyncIterator<unknown, void>;
  let count = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const pieces: string[] = [];
      for (;;) {
        const { value, done } = await iterator.next();
        if (done === true) {
          if (asArray) pieces.push(count === 0 ? "[]" : "]");
          if (pieces.length > 0) controller.enqueue(encoder.encode(pieces.join("")));
          controller.close();
          return;
        }
        const json = JSON.stringify(value);
        pieces.push(asArray ? `${count === 0 ? "[" : ","}${json}` : `${json}\n`);
        count += 1;
        if (pieces.length >= 128) break;
      }
      controller.enqueue(encoder.encode(pieces.join("")));
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}
