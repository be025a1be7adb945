import type { Context, Hono } from "hono";
import { ValidationError } from "../../errors.ts";
import { sessionUnknown } from "../../store/store-faults.ts";
import type { Session } from "../../store/session-store.ts";
import { requireRead, requireWrite } from "../access/request-guard.ts";
import { eventStreamResponse } from "../http/event-stream.ts";
import { parseWholeQuery } from "../http/parse-query.ts";
import type { RunInput } from "../runs/run-definitions.ts";
import type { RequestEnv, ServerParts } from "../server-parts.ts";
import type { RunOverview } from "../sessions/runs-fold.ts";
import { messageIdOf, readChatHistory, withoutReplaced } from "./chat-history.ts";
import type { ChatHistory } from "./chat-history.ts";
import { DONE_FRAME, UiMessageProjection, toChunkFrame } from "./ui-message-projection.ts";

const CHAT_LABEL = "skein.chat";
const CHAT_ID = /^[\w.-]{1,100}$/;
const DEFAULT_RUNS = 50;
const MAX_RUNS = 200;

/**
 * The two requests that a `Chat` of the AI SDK makes, and two that it has no word for: what was said before, and a stop, for `stop` in a page only
 * leaves, and a reader that leaves ends no run (L6).
 */
export function addChatRoutes(app: Hono<RequestEnv>, parts: ServerParts): void {
  const { store, runs, folds, limits } = parts;

  app.post("/api/chat", async (context) => {
    requireWrite(context.get("caller"));
    const body = await limits.readJson(context.req.raw);
    const sessionId = toSessionId(body["id"]);
    const { prompt, messageId } = parsePrompt(body["messages"]);
    const name = typeof body["task"] === "string" ? body["task"] : chatTask(parts);
    const isAgain = body["trigger"] === "regenerate-message";
    const input: RunInput = { prompt, messageId };
    const session = await store.get(sessionId);
    if (session === undefined) {
      const { runId } = await runs.start({ name, input, sessionId, labels: { [CHAT_LABEL]: "1" }, taskId: messageId });
      return streamRun(context, parts, sessionId, runId);
    }
    requireChat(session);
    const last = (await folds.runs(session)).at(-1);
    // The same message again is a request that was sent twice, not a second run.
    if (!isAgain && last !== undefined && messageIdOf(last.task) === messageId)
      return streamRun(context, parts, sessionId, last.runId);
    const { runId } = await runs.resume(session, input, messageId);
    return streamRun(context, parts, sessionId, runId);
  });

  app.get("/api/chat/:id", async (context) => {
    const id = context.req.param("id");
    const sessionId = toSessionId(id);
    const limit = parseWholeQuery("limit", context.req.query("limit"), { min: 1, max: MAX_RUNS }) ?? DEFAULT_RUNS;
    const before = parseWholeQuery("before", context.req.query("before")) ?? Infinity;
    const session = await store.get(sessionId);
    // A chat begins with its first message: until then there is nothing to be shown.
    if (session === undefined) return context.json({ id, status: "created", messages: [] } satisfies ChatHistory);
    requireChat(session);
    requireRead(context.get("caller"), session);
    const earlier = withoutReplaced(await folds.runs(session)).filter(({ startedSeq }) => startedSeq < before);
    const shown = earlier.slice(-limit);
    const messages = await readChatHistory(store, sessionId, shown);
    const next = earlier.length > shown.length ? shown[0]?.startedSeq : undefined;
    const { status } = session;
    return context.json({
      id,
      status,
      messages,
      ...(next === undefined ? {} : { next: String(next) }),
    } satisfies ChatHistory);
  });

  app.get("/api/chat/:id/stream", async (context) => {
    const sessionId = toSessionId(context.req.param("id"));
    const session = await store.get(sessionId);
    if (session?.lastRunId === undefined) return new Response(null, { status: 204 });
    requireChat(session);
    requireRead(context.get("caller"), session);
    return streamRun(context, parts, sessionId, session.lastRunId);
  });

  app.post("/api/chat/:id/stop", async (context) => {
    const caller = context.get("caller");
    requireWrite(caller);
    const sessionId = toSessionId(context.req.param("id"));
    const session = await store.get(sessionId);
    if (session === undefined) throw sessionUnknown(sessionId);
    requireChat(session);
    await runs.abort(session, `Stopped over HTTP by ${caller.name}.`);
    const { status } = (await store.get(sessionId)) ?? session;
    return context.json({ sessionId, status });
  });
}

/** One run from its beginning, past and live, as one message. */
async function streamRun(
  context: Context<RequestEnv>,
  parts: ServerParts,
  sessionId: string,
  runId: string,
): Promise<Response> {
  const { store, folds, logs, limits, closing, heartbeatMs } = parts;
  const session = await store.get(sessionId);
  if (session === undefined) throw sessionUnknown(sessionId);
  const run = (await folds.runs(session)).find((one) => one.runId === runId) as RunOverview;
  const { signal } = context.get("caller");
  async function* frames(over: AbortSignal): AsyncGenerator<string, void> {
    const projection = new UiMessageProjection();
    for await (const batch of logs.follow(sessionId, run.startedSeq - 1, over)) {
      let text = "";
      for (const { event } of batch.events) {
        if (event.runId !== runId) continue;
        text += projection.push(event).map(toChunkFrame).join("");
        if (event.type !== "final") continue;
        yield text + DONE_FRAME;
        return;
      }
      if (text !== "") yield text;
    }
  }
  return eventStreamResponse(frames, {
    signal: signal === undefined ? closing : AbortSignal.any([signal, closing]),
    onEnd: limits.openStream(),
    heartbeatMs,
    headers: { "content-type": "text/event-stream", "x-vercel-ai-ui-message-stream": "v1" },
  });
}

function chatTask({ chatTask: name, runs }: ServerParts): string {
  if (name !== undefined) return name;
  const [only, ...others] = runs.list().filter(({ kind }) => kind === "task");
  if (only !== undefined && others.length === 0) return only.name;
  throw new ValidationError(
    "task_unknown",
    "Say which task answers in a chat: `createApp({ chat: name })`, or `task` in the body.",
  );
}

function toSessionId(id: unknown): string {
  if (typeof id !== "string" || !CHAT_ID.test(id))
    throw new ValidationError(
      "invalid_option",
      "A chat's id has 1 to 100 letters, digits, dots, dashes or underscores.",
    );
  return `chat_${id}`;
}

/** A chat's id comes from a page: it must not lead into sessions that are none. */
function requireChat(session: Session): void {
  if (session.labels[CHAT_LABEL] !== undefined) return;
  throw sessionUnknown(session.id);
}

/** The text of the last message that a user wrote. */
function parsePrompt(messages: unknown): { readonly prompt: string; readonly messageId: string } {
  const last = (Array.isArray(messages) ? (messages as unknown[]) : []).findLast(
    (message): message is { id?: unknown; parts?: unknown } =>
      typeof message === "object" && message !== null && (message as { role?: unknown }).role === "user",
  );
  const written = Array.isArray(last?.parts) ? (last.parts as { type?: unknown; text?: unknown }[]) : [];
  const prompt = written
    .flatMap(({ type, text }) => (type === "text" && typeof text === "string" ? [text] : []))
    .join("\n");
  if (typeof last?.id !== "string" || prompt === "")
    throw new ValidationError(
      "invalid_option",
      "The body has `messages`, the last of them by the user with an `id` and text in its `parts`.",
    );
  return { prompt, messageId: last.id };
}
