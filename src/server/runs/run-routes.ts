import type { Context, Hono } from "hono";
import { ValidationError } from "../../errors.ts";
import type { JsonValue } from "../../event/event.ts";
import { sessionUnknown } from "../../store/store-faults.ts";
import type { Session, SessionStore } from "../../store/session-store.ts";
import { requireReadAll, requireRead, requireWrite } from "../access/request-guard.ts";
import { parseWholeQuery } from "../http/parse-query.ts";
import type { RequestEnv, ServerParts } from "../server-parts.ts";
import type { LineageBox } from "../sessions/lineage-fold.ts";
import type { RunInput } from "./run-definitions.ts";
import { RUN_NAME_LABEL } from "./run-registry.ts";
import type { StartedRun } from "./run-registry.ts";

/** A run as the API speaks of it. */
export interface RunResource {
  /** The id of its session, by which it is addressed. */
  readonly sessionId: string;
  readonly runId?: string;
  /** The task or loop that it was started as; absent for one that another program started. */
  readonly name?: string;
  readonly kind: string;
  readonly status: Session["status"];
  readonly lastSeq: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

const MAX_KEY = 256;
const SCANNED_SESSIONS = 1000;

/** Starting, steering and forking runs. */
export function addRunRoutes(app: Hono<RequestEnv>, parts: ServerParts): void {
  const { store, runs, folds, limits } = parts;

  app.get("/api/tasks", (context) => {
    requireReadAll(context.get("caller"));
    return context.json({ tasks: runs.list() });
  });

  app.post("/api/runs", async (context) => {
    requireWrite(context.get("caller"));
    const body = await limits.readJson(context.req.raw);
    const { name } = body;
    if (typeof name !== "string")
      throw new ValidationError("invalid_option", "The body names a task or loop in `name`.");
    const key = parseKey(context.req.header("idempotency-key") ?? body["idempotencyKey"]);
    const started = await runs.start({
      name,
      input: parseInput(body["input"]) ?? {},
      ...(key === undefined ? {} : { idempotencyKey: key }),
    });
    return answerStarted(context, store, started);
  });

  app.get("/api/runs", async (context) => {
    requireReadAll(context.get("caller"));
    const limit = parseWholeQuery("limit", context.req.query("limit"), { min: 1, max: 500 }) ?? 50;
    const before = parseWholeQuery("before", context.req.query("before"));
    const name = context.req.query("name");
    const sessions = await store.list({
      label: name === undefined ? RUN_NAME_LABEL : `${RUN_NAME_LABEL}=${name}`,
      limit,
      ...(before === undefined ? {} : { before }),
    });
    return context.json({ runs: sessions.map(toRun) });
  });

  app.get("/api/runs/:id", async (context) => {
    const session = await findRun(store, context.req.param("id"));
    requireRead(context.get("caller"), session);
    return context.json(toRun(session));
  });

  app.get("/api/runs/:id/boxes", async (context) => {
    const session = await findRun(store, context.req.param("id"));
    requireRead(context.get("caller"), session);
    const { boxes } = await folds.lineage(session);
    return context.json({ boxes: boxes satisfies readonly LineageBox[] });
  });

  const abort = async (context: Context<RequestEnv>): Promise<Response> => {
    const caller = context.get("caller");
    requireWrite(caller);
    const session = await findRun(store, context.req.param("id") ?? "");
    await runs.abort(session, `Aborted over HTTP by ${caller.name}.`);
    return context.json(toRun((await store.get(session.id)) ?? session));
  };
  app.post("/api/runs/:id/abort", abort);
  app.post("/api/sessions/:id/abort", abort);

  app.post("/api/runs/:id/resume", async (context) => {
    requireWrite(context.get("caller"));
    const session = await findRun(store, context.req.param("id"));
    const { input } = await limits.readJson(context.req.raw);
    return answerStarted(context, store, await runs.resume(session, parseInput(input)));
  });

  const fork = async (context: Context<RequestEnv>): Promise<Response> => {
    requireWrite(context.get("caller"));
    const session = await findRun(store, context.req.param("id") ?? "");
    const { atSeq, atRound, input } = await limits.readJson(context.req.raw);
    if (typeof atRound === "number")
      return answerStarted(context, store, await runs.forkLoop(session, atRound, parseInput(input)));
    if (typeof atSeq !== "number")
      throw new ValidationError(
        "invalid_option",
        "The body says where to fork: `atSeq`, a position of the log, or `atRound` of a loop that this server offers.",
      );
    const child = await store.fork(session.id, { atSeq });
    return context.json(child, 201, { location: `/api/sessions/${encodeURIComponent(child.id)}` });
  };
  app.post("/api/runs/:id/fork", fork);
  app.post("/api/sessions/:id/fork", fork);

  app.post("/api/runs/:id/answer", async (context) => {
    const caller = context.get("caller");
    requireWrite(caller);
    const session = await findRun(store, context.req.param("id"));
    const { requestId, optionId } = await limits.readJson(context.req.raw);
    if (typeof requestId !== "string" || !(optionId === null || optionId === undefined || typeof optionId === "string"))
      throw new ValidationError(
        "invalid_option",
        "The body has the `requestId` of the question and the `optionId` that was chosen, or null to turn it down.",
      );
    await runs.answer(session, requestId, {
      ...(typeof optionId === "string" ? { optionId } : {}),
      by: caller.name,
    });
    return context.json({ accepted: true }, 202);
  });
}

async function answerStarted(
  context: Context<RequestEnv>,
  store: SessionStore,
  { sessionId, runId, isNew }: StartedRun,
): Promise<Response> {
  const session = await store.get(sessionId);
  if (session === undefined) throw sessionUnknown(sessionId);
  return context.json({ ...toRun(session), ...(runId === "" ? {} : { runId }) }, isNew ? 201 : 200, {
    location: `/api/runs/${encodeURIComponent(sessionId)}`,
  });
}

function toRun(session: Session): RunResource {
  const { id, kind, status, labels, lastRunId, lastSeq, createdAt, updatedAt } = session;
  const name = labels[RUN_NAME_LABEL];
  return {
    sessionId: id,
    ...(lastRunId === undefined ? {} : { runId: lastRunId }),
    ...(name === undefined ? {} : { name }),
    kind,
    status,
    lastSeq,
    createdAt,
    updatedAt,
  };
}

/** By its session's id, or by its own, where it is the last run of one of the newest sessions. */
async function findRun(store: SessionStore, id: string): Promise<Session> {
  const session = await store.get(id);
  if (session !== undefined) return session;
  const newest = await store.list({ limit: SCANNED_SESSIONS });
  const found = newest.find(({ lastRunId }) => lastRunId === id);
  if (found === undefined) throw sessionUnknown(id);
  return found;
}

function parseInput(value: unknown): RunInput | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ValidationError("invalid_option", "The input is a JSON object.");
  return value as Readonly<Record<string, JsonValue>>;
}

function parseKey(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string" || value === "" || value.length > MAX_KEY)
    throw new ValidationError("invalid_option", `An idempotency key is a text of 1 to ${MAX_KEY} characters.`);
  return value;
}
