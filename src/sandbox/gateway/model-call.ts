import type { IncomingMessage, ServerResponse } from "node:http";
import { BackendError, SkeinError } from "../../errors.ts";
import type { GatewayCall } from "./box-line.ts";
import type { CallKind } from "./model-api.ts";
import { findCall, readModel } from "./model-api.ts";
import { passOn, toPassedHeaders } from "./pass-on.ts";
import { refuse } from "./refusal.ts";
import type { Spending } from "./spending.ts";
import type { Upstream } from "./upstream.ts";
import { toTarget } from "./upstream.ts";
import { UsageReader } from "./usage-reader.ts";

/** Pictures and long histories fit in; no provider takes more. */
const MAX_REQUEST = 64 * 1024 * 1024;
const MAX_ERROR = 2048;

export interface ModelCallContext {
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly spending: Spending;
  readonly idleMs: number;
}

/** Passes one call on to the model that its path names, and reads what it took out of the answer on the way back. */
export async function forwardToModel(
  context: ModelCallContext,
  call: GatewayCall,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://box");
  const [, name = "", rest = ""] = /^\/([^/]+)(\/.*)?$/.exec(url.pathname) ?? [];
  const upstream = context.upstreams.get(name);
  const target = upstream === undefined ? undefined : toTarget(upstream, rest, url.search);
  if (upstream === undefined || target === undefined) {
    const known = [...context.upstreams.keys()].map((one) => `/${one}`).join(", ") || "none";
    return refuse(response, 404, "gateway_upstream", `The gateway leads to no such place. It leads to: ${known}.`);
  }
  const kind = findCall(upstream.api, request.method ?? "GET", rest);
  if (kind === undefined)
    return refuse(
      response,
      403,
      "gateway_path",
      `The gateway passes on calls of models alone, not ${request.method} ${rest}.`,
    );
  const isCall = kind !== "other";
  const refusal = call.refusal() ?? (isCall ? (context.spending.refusal() ?? call.modelRefusal()) : undefined);
  if (refusal !== undefined) {
    if (isCall) call.settle(refusal);
    return refuse(response, 403, SkeinError.is(refusal) ? refusal.code : "aborted", refusal.message);
  }
  const bytes = await readBody(request);
  if (bytes === undefined)
    return refuse(response, 413, "gateway_size", `The request is larger than ${MAX_REQUEST} bytes.`);
  const body = parseJson(bytes);
  const model = readModel(kind, rest, body);
  await send({ context, call, response, upstream, kind, model }, target, request, askForUsage(kind, body) ?? bytes);
}

interface Sent {
  readonly context: ModelCallContext;
  readonly call: GatewayCall;
  readonly response: ServerResponse;
  readonly upstream: Upstream;
  readonly kind: CallKind;
  readonly model: string | undefined;
}

async function send(sent: Sent, target: URL, request: IncomingMessage, body: Buffer): Promise<void> {
  const { context, call, response, upstream, kind, model } = sent;
  const isCall = kind !== "other";
  let reader: UsageReader | undefined;
  let status = 0;
  let failed = Buffer.alloc(0);
  let failure: unknown;
  let hasBroken = false;
  try {
    await passOn({
      target,
      method: request.method ?? "GET",
      headers: { ...toPassedHeaders(request), "accept-encoding": "identity", ...upstream.headers },
      ...(body.length === 0 && request.method === "GET" ? {} : { body }),
      response,
      signal: call.signal,
      idleMs: context.idleMs,
      onAnswer: (answer) => {
        status = answer.statusCode ?? 0;
        if (isCall && status < 400) reader = new UsageReader(kind, answer.headers["content-type"] ?? "");
      },
      onBreak: () => (hasBroken = true),
      onChunk: (chunk) => {
        if (reader !== undefined) reader.push(chunk);
        else if (isCall && failed.length < MAX_ERROR) failed = Buffer.concat([failed, chunk.subarray(0, MAX_ERROR)]);
      },
    });
  } catch (error) {
    failure = error;
  }
  if (!isCall) {
    if (failure !== undefined && !response.headersSent && !call.signal.aborted)
      refuse(
        response,
        502,
        "gateway_failed",
        `The model's host could not be reached: ${hide(upstream, (failure as Error).message)}`,
      );
    return;
  }
  const report = reader?.end();
  if (report !== undefined) {
    const isWhole = failure === undefined && report.error === undefined;
    const usage = context.spending.add(report.usage, [report.model, model], call.prices, isWhole);
    call.spend(usage, isWhole);
    const named = report.model ?? model;
    if (Object.keys(usage).length > 0)
      call.report({ type: "usage.reported", ...(named === undefined ? {} : { model: named }), ...usage });
  }
  const why = explain(status, failure, report?.error, failed.toString("utf8").slice(0, MAX_ERROR));
  const message = why === undefined ? "" : hide(upstream, why);
  if (failure !== undefined && !response.headersSent) refuse(response, 502, "model_failed", message);
  if (why === undefined) return call.settle(undefined);
  // The box let go of the call, or its turn is over: nothing is known of how it would have ended.
  if (call.signal.aborted && !hasBroken) return;
  call.report({
    type: "custom",
    name: "model.failed",
    data: {
      upstream: upstream.name,
      ...(model === undefined ? {} : { model }),
      ...(status === 0 ? {} : { status }),
      message,
    },
  });
  call.settle(
    new BackendError("model_failed", `The model ${model ?? `behind ${upstream.name}`} could not be asked: ${message}`, {
      retryable: status === 0 || status === 408 || status === 429 || status >= 500 || failure !== undefined,
    }),
  );
}

function explain(status: number, failure: unknown, error: string | undefined, body: string): string | undefined {
  if (status >= 400) return `it answered ${status}: ${body.replaceAll(/\s+/g, " ").trim() || "nothing"}`;
  if (failure !== undefined && status === 0) return `its host could not be reached: ${(failure as Error).message}`;
  if (failure !== undefined) return `its answer broke off: ${(failure as Error).message}`;
  return error === undefined ? undefined : `it broke off with an error: ${error}`;
}

/** A provider may repeat the key that it was given. */
function hide(upstream: Upstream, text: string): string {
  return upstream.secrets.reduce((hidden, secret) => hidden.replaceAll(secret, "[key]"), text).slice(0, MAX_ERROR);
}

/**
 * A stream of chat completions says what it took only if it is asked to. That is the one thing that is changed in a request.
 * @returns the changed request; undefined: it stays as it is
 */
function askForUsage(kind: CallKind, body: unknown): Buffer | undefined {
  if (kind !== "chat" || typeof body !== "object" || body === null) return undefined;
  const { stream, stream_options: options } = body as {
    stream?: unknown;
    stream_options?: { include_usage?: unknown } | null;
  };
  if (stream !== true || options?.include_usage !== undefined) return undefined;
  return Buffer.from(JSON.stringify({ ...body, stream_options: { ...options, include_usage: true } }));
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_REQUEST) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
