import type { Context, Hono } from "hono";
import { FencedError, ValidationError } from "../../errors.ts";
import { requireWrite } from "../access/request-guard.ts";
import { problemResponse } from "../http/problem.ts";
import type { RequestEnv, ServerParts } from "../server-parts.ts";
import { loadReadable } from "../sessions/session-routes.ts";
import { parseProducer } from "./byte-stream-routes.ts";
import { respondToRead, tailHeaders } from "./read-stream.ts";
import { createSessionSource } from "./session-source.ts";
import { SessionProducers } from "./session-producers.ts";

/** Sessions and runs by the Durable Streams protocol: read by everybody who may, written by one producer whose epoch is the writer's. */
export function addSessionStreamRoutes(app: Hono<RequestEnv>, parts: ServerParts): void {
  const producers = new SessionProducers(parts.store, parts.closing);

  app.get("/v1/session/:id", async (context) =>
    respond(context, parts, createSessionSource(parts, await loadReadable(context, parts))),
  );

  app.get("/v1/session/:id/run/:runId", async (context) => {
    const session = await loadReadable(context, parts);
    const runId = context.req.param("runId");
    const run = (await parts.folds.runs(session)).find((one) => one.runId === runId);
    if (run === undefined)
      throw new ValidationError(
        "run_unknown",
        `Session ${JSON.stringify(session.id)} has no run ${JSON.stringify(runId)}.`,
      );
    return respond(context, parts, createSessionSource(parts, session, run));
  });

  app.post("/v1/session/:id", async (context) => {
    requireWrite(context.get("caller"));
    const session = await loadReadable(context, parts);
    const producer = parseProducer(context);
    if (producer === undefined)
      throw new ValidationError(
        "invalid_option",
        "A session is written by one producer: send Producer-Id, Producer-Epoch and Producer-Seq, or start a run with POST /api/runs.",
      );
    const bytes = await parts.limits.readBody(context.req.raw);
    const outcome = await producers.append(session.id, producer, bytes);
    switch (outcome.is) {
      case "appended":
      case "duplicate":
        return new Response(null, {
          status: outcome.is === "appended" ? 200 : 204,
          headers: {
            ...tailHeaders(outcome.lastSeq, false, false),
            "producer-epoch": String(producer.epoch),
            "producer-seq": String(outcome.seq),
          },
        });
      case "stale":
        return problemResponse(
          new FencedError(
            `Session ${JSON.stringify(session.id)} is at epoch ${outcome.epoch}. To write it, begin epoch ${outcome.epoch + 1} with Producer-Seq 0: who wrote before is fenced then.`,
          ),
          { "producer-epoch": String(outcome.epoch) },
        );
      case "gap":
        return problemResponse(
          new ValidationError(
            "stream_conflict",
            `Producer-Seq ${outcome.expected} is expected, and ${producer.seq} came.`,
          ),
          { "producer-expected-seq": String(outcome.expected), "producer-received-seq": String(producer.seq) },
        );
    }
  });
}

function respond(
  context: Context<RequestEnv>,
  { limits, closing, longPollMs, heartbeatMs }: ServerParts,
  source: Parameters<typeof respondToRead>[0],
): Promise<Response> {
  const { signal } = context.get("caller");
  return respondToRead(source, {
    request: context.req.raw,
    query: context.req.query(),
    signal: signal === undefined ? closing : AbortSignal.any([signal, closing]),
    longPollMs,
    heartbeatMs,
    openStream: () => limits.openStream(),
  });
}
