import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { createServer } from "node:http";
import type { ModelEvent, PlainAnswer } from "./model-answers.ts";
import { ANSWER_SHAPES } from "./model-answers.ts";
import type { ScriptedApi, ScriptedModelRequest } from "./model-request.ts";
import { parseModelRequest } from "./model-request.ts";
import type { ModelFault, ModelScript } from "./model-script.ts";
import { promptScript } from "./model-script.ts";

/** @experimental */
export interface ScriptedModelOptions {
  /** Default: {@link promptScript}, which does what the prompt says. */
  readonly script?: ModelScript;
  /** A request without this key is answered by 401. Default: any will do. */
  readonly key?: string;
}

/** A request as the server saw it. @experimental */
export interface SeenModelRequest extends ScriptedModelRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** @experimental */
export interface ScriptedModel extends AsyncDisposable {
  /** Without a path: OpenAI's base is `${url}/v1`, that of the others is `url`. */
  readonly url: string;
  /** Oldest first. */
  readonly requests: readonly SeenModelRequest[];
  /** From now on every request fails so; undefined: none does any more. */
  setFault(fault: ModelFault | undefined): void;
  close(): Promise<void>;
}

const STATUS: Readonly<Partial<Record<ModelFault, readonly [number, string]>>> = {
  "400": [400, "invalid_request_error"],
  "401": [401, "authentication_error"],
  "429": [429, "rate_limit_error"],
  "500": [500, "api_error"],
};

/**
 * A model that does what a script says, on a port of the loopback: OpenAI chat completions and responses, Anthropic messages and Gemini, whole and as
 * streams, with calls of tools. Every answer follows from the request alone, so a run over it is the same each time.
 *
 * @experimental
 */
export async function startScriptedModel(options: ScriptedModelOptions = {}): Promise<ScriptedModel> {
  const { script = promptScript, key } = options;
  const requests: SeenModelRequest[] = [];
  let fault: ModelFault | undefined;
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url ?? "/", "http://model");
    const api = findApi(pathname);
    const text = await readText(request);
    if (request.method === "HEAD") return void response.writeHead(200).end();
    if (key !== undefined && !hasKey(request, key)) return sendFault(response, "401");
    if (request.method === "GET" && pathname.includes("/models"))
      return sendJson(response, 200, { object: "list", data: [], models: [] });
    if (pathname.endsWith("/count_tokens") || pathname.endsWith(":countTokens"))
      return sendJson(response, 200, { input_tokens: 1, totalTokens: 1 });
    if (api === undefined)
      return sendJson(response, 404, { error: { message: `no ${pathname}`, type: "not_found_error" } });
    const parsed = parseModelRequest(api, pathname, JSON.parse(text));
    requests.push({ ...parsed, path: pathname, headers: request.headers });
    const chosen = fault === undefined ? script(parsed) : { fault };
    if ("fault" in chosen && chosen.fault !== "cut") return sendFault(response, chosen.fault);
    const plain: PlainAnswer = {
      id: `scripted-${requests.length}`,
      model: parsed.model,
      ...("say" in chosen ? { say: chosen.say } : {}),
      ...("call" in chosen
        ? {
            call: {
              id: `call_${requests.length}`,
              name: chosen.call,
              args: chosen.args,
              ...(chosen.namespace === undefined ? {} : { namespace: chosen.namespace }),
            },
          }
        : {}),
      ...("fault" in chosen ? { say: "This is cut in the middle" } : {}),
      inputTokens: Math.max(1, Math.ceil(parsed.turns.reduce((sum, turn) => sum + turn.text.length, 0) / 4)),
      outputTokens: "say" in chosen ? Math.max(1, Math.ceil(chosen.say.length / 4)) : 8,
      cachedTokens: 0,
    };
    const shape = ANSWER_SHAPES[api];
    if (!parsed.isStream) {
      if ("fault" in chosen) return cutOff(response, "application/json", '{"cut":');
      return sendJson(response, 200, shape.whole(plain));
    }
    const events = shape.events(plain, parsed);
    if ("fault" in chosen) return cutOff(response, "text/event-stream", events.slice(0, 2).map(toLines).join(""));
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
    for (const event of events) response.write(toLines(event));
    response.end();
  };

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = (): Promise<void> => closeServer(server);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    setFault: (next) => (fault = next),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function findApi(path: string): ScriptedApi | undefined {
  if (path.endsWith("/chat/completions")) return "chat";
  if (path.endsWith("/responses")) return "responses";
  if (path.endsWith("/messages")) return "messages";
  return /\/models\/[^/]+:(streamG|g)enerateContent$/.test(path) ? "gemini" : undefined;
}

function hasKey({ headers }: IncomingMessage, key: string): boolean {
  return [headers.authorization?.replace(/^Bearer /, ""), headers["x-api-key"], headers["x-goog-api-key"]].includes(
    key,
  );
}

function sendFault(response: ServerResponse, fault: ModelFault): void {
  // One that hangs keeps the connection until somebody loses patience.
  if (fault === "hang") return;
  if (fault === "garbage")
    return void response.writeHead(200, { "content-type": "text/event-stream" }).end("data: {nonsense\n\n<html>\n\n");
  const [status, type] = STATUS[fault] ?? [500, "api_error"];
  sendJson(response, status, {
    type: "error",
    error: { type, code: type, message: `scripted ${fault}`, status: String(status) },
  });
}

function cutOff(response: ServerResponse, contentType: string, beginning: string): void {
  response.writeHead(200, { "content-type": contentType });
  response.write(beginning, () => response.destroy());
}

function toLines({ event, data }: ModelEvent): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${text}\n\n`;
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function readText(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
