import { join } from "node:path";
import { answerQuestion } from "../../runtime/answer-question.ts";
import { TOKENS_FOLDER } from "../../runtime/data-directory.ts";
import { readOtlpSettings } from "../../telemetry/otlp-settings.ts";
import { AccessTokens, createApp, KeptAccessTokens, openServer } from "../../server/index.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { hasData, openData, toDataPlace } from "../open-data.ts";
import { EXIT } from "../exit-codes.ts";
import { readTasks } from "./read-tasks.ts";
import type { LogFormat } from "../service-log.ts";
import { createServiceLog, toErrorFields } from "../service-log.ts";
import { SpanSender } from "../span-sender.ts";

export interface ServeOptions extends CommonOptions {
  readonly port?: number;
  readonly host?: string;
  readonly allowOrigin?: readonly string[];
  readonly tasks?: string;
  readonly log: LogFormat;
}

/** Serves until the first Ctrl-C, which ends the streams and no run. */
export async function serveData(line: CommandLine, options: ServeOptions): Promise<void> {
  const { terminal, interrupt, env } = line;
  const { SKEIN_TOKEN } = env;
  const otlp = options.tasks === undefined ? undefined : readOtlpSettings(env);
  const { database } = toDataPlace(line, options);
  const log = createServiceLog(line, {
    format: options.log,
    secrets: [database, SKEIN_TOKEN, ...Object.values(otlp?.headers ?? {})].filter((secret) => secret !== undefined),
  });
  const hasSecret = SKEIN_TOKEN !== undefined && SKEIN_TOKEN !== "";
  // A secret that cannot be one is refused before anything is made.
  if (hasSecret) new AccessTokens().issue({ scope: "write", token: SKEIN_TOKEN });
  // A directory that is not there yet is made: sessions that others begin in it are then seen.
  const isThere = await hasData(line, options);
  await using runtime = await openData(line, options, {
    need: isThere && options.tasks === undefined ? "read" : "write",
  });
  const offered = options.tasks === undefined ? {} : await readTasks(line.cwd, options.tasks, runtime);
  await using kept = await KeptAccessTokens.open(join(runtime.directory, TOKENS_FOLDER));
  if (hasSecret) kept.issue({ scope: "write", name: "SKEIN_TOKEN", token: SKEIN_TOKEN });
  const sender = otlp === undefined ? undefined : new SpanSender(runtime.store, otlp, log);
  const app = createApp({
    store: runtime.store,
    onRunEnded: (sessionId) => sender?.add(sessionId),
    ...offered,
    inspector: true,
    answerElsewhere: async (session, requestId, answer) =>
      answerQuestion(runtime, session, requestId, { ...answer, by: `http:${answer.by}` }),
    access: {
      tokens: kept,
      openUntilToken: true,
      ...(options.allowOrigin === undefined ? {} : { origins: options.allowOrigin }),
    },
    onError: (error) =>
      log.say("error", "request.failed", error instanceof Error ? error.message : String(error), toErrorFields(error)),
  });
  await using server = await openServer({
    app,
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.port === undefined ? {} : { port: options.port }),
  });
  const { url, host, port } = server;
  if (options.log === "json")
    log.say("info", "server.started", `serves the sessions of ${runtime.place} at ${url}`, {
      url,
      host,
      port,
      place: runtime.place,
      isProtected: app.isProtected,
    });
  else if (options.json === true) terminal.printJson({ url, host, port, directory: runtime.place }, "line");
  else
    terminal.print(
      `${terminal.style.bold(url)}  ${terminal.style.dim(`the sessions of ${runtime.place}`)}`,
      terminal.style.dim(
        !app.isProtected
          ? "Only this machine can reach it, without a token until one is issued. Ctrl-C ends it."
          : "Callers need a token: that of SKEIN_TOKEN, or one of `skein tokens`. Ctrl-C ends it.",
      ),
    );
  await new Promise<void>((resolve) => {
    if (interrupt.signal.aborted) resolve();
    interrupt.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  if (options.log === "json") log.say("info", "server.draining", "ends its streams");
  await server.close();
  // Streams are over, runs are not: what was begun here is brought to its end.
  if (app.running() > 0) {
    const waits = `waits for ${app.running()} run(s) that this process executes…`;
    if (options.log === "json") log.say("info", "server.waiting", waits, { runs: app.running() });
    else terminal.warn(terminal.errorStyle.dim(waits));
    // A run that waits for something may have nothing open that would keep the process there.
    const stay = setInterval(() => {}, 60_000);
    await app.settled();
    clearInterval(stay);
  }
  await sender?.close();
  if (options.log === "json") log.say("info", "server.drained", "ended in order");
  line.exit(EXIT.done);
}
