import { setMaxListeners } from "node:events";
import { Hono } from "hono";
import type { Context, Next } from "hono";
import { SkeinError, ValidationError } from "../errors.ts";
import type { SessionStore } from "../store/session-store.ts";
import { addAccessRoutes } from "./access/access-routes.ts";
import { RequestGuard } from "./access/request-guard.ts";
import type { AccessOptions } from "./access/request-guard.ts";
import { LimitsGuard } from "./access/request-limits.ts";
import type { RequestLimits } from "./access/request-limits.ts";
import { addChatRoutes } from "./chat/chat-routes.ts";
import { problemResponse } from "./http/problem.ts";
import { InspectorFiles } from "./inspector-files.ts";
import { OPENAPI } from "./openapi/document.ts";
import type { RequestEnv, ServerParts } from "./server-parts.ts";
import { LiveLogs } from "./sessions/live-log.ts";
import { SessionFolds } from "./sessions/session-folds.ts";
import { SessionWatch } from "./sessions/session-changes.ts";
import type { AnswerElsewhere } from "./runs/run-registry.ts";
import type { LoopDefinition, TaskDefinition } from "./runs/run-definitions.ts";
import { RunRegistry } from "./runs/run-registry.ts";
import { addRunRoutes } from "./runs/run-routes.ts";
import { addByteStreamRoutes } from "./streams/byte-stream-routes.ts";
import { addSessionStreamRoutes } from "./streams/session-stream-routes.ts";
import { addSessionRoutes } from "./sessions/session-routes.ts";

/** What the server is made of. @experimental */
export interface AppOptions {
  /** Whoever opened it closes it, after the app. */
  readonly store: SessionStore;
  /** The tasks that may be started, by name. */
  readonly tasks?: Readonly<Record<string, TaskDefinition>>;
  /** The loops that may be started, by name. */
  readonly loops?: Readonly<Record<string, LoopDefinition>>;
  /** The task that answers in chats of the AI SDK. Default: the one task there is. */
  readonly chat?: string;
  /**
   * Hands a person's answer to a run that another process executes. Default: only runs of this server can be answered.
   * @throws ValidationError `permission_unknown`, and what else the other process says
   */
  readonly answerElsewhere?: AnswerElsewhere;
  /** Who may come in. Default: everybody who reaches the server under a name of the loopback interface. */
  readonly access?: AccessOptions;
  readonly limits?: RequestLimits;
  /** Serves the inspector's page at `/`. Default false. */
  readonly inspector?: boolean;
  /** Milliseconds between two signs of life in a stream that has nothing to say. Default 15,000. */
  readonly heartbeatMs?: number;
  /** Milliseconds that a long-poll waits for something new. Default 20,000. */
  readonly longPollMs?: number;
  /** Hears of failures that nobody expected; requests learn no more than that there was one. Default: they are not told of. */
  readonly onError?: (error: unknown) => void;
  /** Hears of each run that was started here when it has ended, its `final` stored. */
  readonly onRunEnded?: (sessionId: string) => void;
}

/**
 * A Hono app: `app.fetch` is a handler for any runtime, `otherApp.route("/skein", app)` mounts it.
 *
 * @experimental
 */
export interface SkeinApp extends Hono<RequestEnv> {
  /** Ends all streams. Runs go on; the store stays open. */
  close(): Promise<void>;
  /** Whether callers must show who they are: tokens, or `authorize`. */
  readonly isProtected: boolean;
  /** How many runs that were started here go on. */
  running(): number;
  /** Resolves when none of the runs that were started here is left. */
  settled(): Promise<void>;
}

/**
 * The server over one store: sessions to read and to follow. It does no I/O until a request comes.
 *
 * @throws ValidationError `invalid_option`
 * @experimental
 */
export function createApp(options: AppOptions): SkeinApp {
  const { store, access = {}, inspector = false, heartbeatMs = 15_000, longPollMs = 20_000, onError } = options;
  const closing = new AbortController();
  // One listener for each open stream.
  setMaxListeners(0, closing.signal);
  const parts: ServerParts = {
    store,
    guard: new RequestGuard(access),
    tokens: access.authorize === undefined ? access.tokens : undefined,
    limits: new LimitsGuard(options.limits),
    logs: new LiveLogs(store),
    folds: new SessionFolds(store),
    runs: new RunRegistry({
      store,
      tasks: options.tasks ?? {},
      loops: options.loops ?? {},
      ...(options.answerElsewhere === undefined ? {} : { answerElsewhere: options.answerElsewhere }),
      onError: (error) => onError?.(error),
      onRunEnded: options.onRunEnded,
    }),
    watch: new SessionWatch(store),
    chatTask: options.chat,
    closing: closing.signal,
    heartbeatMs,
    longPollMs,
  };
  const app = new Hono<RequestEnv>();

  app.onError((error, context) => {
    if (!SkeinError.is(error) || error.kind === "store") onError?.(error);
    const headers: Record<string, string> = parts.guard.corsHeaders(context.req.raw);
    if (SkeinError.is(error) && error.code === "token_missing") headers["www-authenticate"] = 'Bearer realm="skein"';
    if (SkeinError.is(error) && ["rate_limited", "streams_exhausted"].includes(error.code))
      headers["retry-after"] = "1";
    return problemResponse(error, headers);
  });

  app.use("*", async (context, next) => {
    const { guard } = parts;
    guard.checkOrigin(context.req.raw);
    if (context.req.method === "OPTIONS")
      return new Response(null, { status: 204, headers: guard.corsHeaders(context.req.raw) });
    await next();
    const { headers, body } = context.res;
    // Nobody will read it, so what it holds is given back.
    if (context.req.method === "HEAD") await body?.cancel();
    for (const [name, value] of Object.entries(guard.corsHeaders(context.req.raw))) headers.set(name, value);
    headers.set("x-content-type-options", "nosniff");
    if (!headers.has("cross-origin-resource-policy")) headers.set("cross-origin-resource-policy", "same-origin");
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  });

  // By the router's own patterns, so that it holds under whatever prefix the app is mounted.
  const identify = async (context: Context<RequestEnv>, next: Next): Promise<void> => {
    const caller = await parts.guard.identify(context.req.raw);
    parts.limits.takeRequest(caller.key);
    context.set("caller", caller);
    await next();
  };
  app.use("/api/*", identify);
  app.use("/v1/*", identify);

  app.get("/healthz", async (context) => {
    const { capabilities } = store;
    return context.json({ status: "ok", store: capabilities.name, readOnly: capabilities.readOnly });
  });

  app.get("/api/openapi.json", (context) => context.json(OPENAPI));

  addAccessRoutes(app, parts);
  addSessionRoutes(app, parts);
  addRunRoutes(app, parts);
  addChatRoutes(app, parts);
  addSessionStreamRoutes(app, parts);
  addByteStreamRoutes(app, parts);

  if (inspector) {
    const files = new InspectorFiles();
    app.get(
      "*",
      async (context, next) => (await files.respond(context.req.path, context.req.method)) ?? (await next()),
    );
  }

  app.notFound((context) =>
    problemResponse(
      new ValidationError(
        "route_unknown",
        `There is nothing under ${context.req.method} ${context.req.path.slice(0, 200)}; /api/openapi.json lists what there is.`,
      ),
    ),
  );

  Object.defineProperty(app, "isProtected", { get: () => parts.guard.isProtected });
  return Object.assign(app as typeof app & Pick<SkeinApp, "isProtected">, {
    close: async () => closing.abort(),
    running: () => parts.runs.size,
    settled: () => parts.runs.settled(),
  });
}
