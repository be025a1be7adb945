import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { createServer } from "node:http";
import { once } from "node:events";
import type { PermissionAnswer } from "../../agent/acp/index.ts";
import { SandboxError, SkeinError } from "../../errors.ts";
import { readBoxFile, writeBoxFile } from "./box-files.ts";
import type { ClientPresence } from "./client-presence.ts";
import { execCommand } from "./exec-command.ts";
import type { GatewayBridge } from "./gateway-bridge.ts";
import type { BoxdConfig, BoxHealth, BoxIdentity, ExecRequest, FailureBody, TurnRequest } from "./protocol.ts";
import { BOXD_LIMITS, BOXD_PROTOCOL, GATEWAY_PROTOCOL } from "./protocol.ts";
import type { Turns } from "./turns.ts";
import { toFailure } from "./turns.ts";

export interface BoxdServerOptions {
  readonly config: BoxdConfig;
  readonly turns: Turns;
  readonly presence: ClientPresence;
  readonly identity: BoxIdentityHolder;
  /** Absent: the box has no gateway. */
  readonly bridge?: GatewayBridge;
}

/** Who the box is, for as long as it is that. */
export interface BoxIdentityHolder {
  readonly boxId: string;
  take(identity: BoxIdentity): void;
}

/** Connections on which no request has begun yet. */
const MAX_SILENT = 256;

/** A look that must not pass for a client's. */
const SILENT = "/health?silent=1";

/** Serves {@link file://./protocol.ts the protocol}. Whatever is not of it is answered with 400 or 404 and changes nothing. */
export function createBoxdServer(options: BoxdServerOptions): Server {
  const server = createServer((request, response) => {
    if (request.url !== SILENT) {
      options.presence.enter();
      response.once("close", () => options.presence.leave());
    }
    route(options, request, response).catch((error: unknown) => sendFailure(response, error));
  });
  // A box that is prompted for hours keeps one answer open for hours.
  server.requestTimeout = 0;
  server.on("upgrade", (request, socket) => {
    const { bridge } = options;
    if (bridge === undefined || request.url !== "/gateway" || request.headers.upgrade !== GATEWAY_PROTOCOL)
      return void socket.destroy();
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${GATEWAY_PROTOCOL}\r\n\r\n`);
    bridge.park(socket);
  });
  // A client asks as soon as it has connected. Connections that say nothing must not take the place of those that do.
  const silent = new Set<Duplex>();
  server.on("connection", (socket: Duplex) => {
    silent.add(socket);
    socket.once("close", () => silent.delete(socket));
    const [oldest] = silent;
    if (silent.size > MAX_SILENT) oldest?.destroy();
  });
  server.prependListener("request", ({ socket }) => silent.delete(socket));
  server.prependListener("upgrade", (_request, socket) => silent.delete(socket));
  server.on("clientError", (_error, socket) => socket.destroy());
  return server;
}

async function route(options: BoxdServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { config, turns, presence } = options;
  const url = parseUrl(request);
  const [area = "", id = "", action = ""] = url.pathname.split("/").slice(1).map(decodePart);
  switch (`${request.method} ${area}${id === "" ? "" : "/:id"}${action === "" ? "" : `/${action}`}`) {
    case "GET health": {
      const turnId = turns.runningId;
      const health: BoxHealth = {
        protocol: BOXD_PROTOCOL,
        version: config.version,
        boxId: options.identity.boxId,
        contained: config.contained,
        claimMs: config.claimMs,
        idleMs: Math.round(presence.idleMs),
        ...(turnId === undefined ? {} : { turnId }),
      };
      return sendJson(response, 200, health);
    }
    case "POST turns":
      return sendJson(response, 202, turns.accept(parseTurn(await readJson(request))));
    case "GET turns/:id/events":
      return sendEvents(response, turns, id, Number(url.searchParams.get("after") ?? "0"));
    case "POST turns/:id/acknowledge": {
      const { through } = (await readJson(request)) as { through?: unknown };
      if (!Number.isInteger(through) || (through as number) < 0) throw badRequest("through must be a whole number");
      turns.acknowledge(id, through as number);
      return sendNothing(response);
    }
    case "POST turns/:id/cancel":
      turns.cancel(id);
      return sendNothing(response);
    case "POST permissions": {
      const { requestId, answer } = parseAnswer(await readJson(request));
      turns.answer(requestId, answer);
      return sendNothing(response);
    }
    case "GET agent":
      return sendJson(response, 200, await turns.describeAgent());
    case "GET conversations/:id":
      return sendJson(response, 200, await turns.status(id));
    case "POST exec": {
      const command = parseExec(await readJson(request));
      const controller = new AbortController();
      response.once("close", () => controller.abort());
      await turns.settled();
      turns.refuseWhenStopped();
      const result = await execCommand(config, command, AbortSignal.any([controller.signal, turns.stopping]));
      turns.refuseWhenStopped();
      return sendJson(response, 200, result);
    }
    case "POST rest":
      await turns.settled();
      turns.refuseWhileBusy();
      return sendNothing(response);
    case "POST identity":
      options.identity.take(parseIdentity(await readJson(request)));
      return sendNothing(response);
    case "GET files": {
      const bytes = await readBoxFile(config.workspace, url.searchParams.get("path") ?? "");
      response
        .writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes.length })
        .end(bytes);
      return;
    }
    case "PUT files": {
      const bytes = await readBytes(request, BOXD_LIMITS.fileBytes);
      await turns.settled();
      turns.refuseWhenStopped();
      await writeBoxFile(config.workspace, url.searchParams.get("path") ?? "", bytes);
      return sendNothing(response);
    }
    case "GET quiesce":
      await turns.settled();
      return turns.quiesce(async () => {
        const closed = once(response, "close");
        response.writeHead(200, { "content-type": "application/x-ndjson" }).write('{"quiet":true}\n');
        // The box rests for as long as the client holds the line; a client that dies lets go of it.
        await closed;
      });
    default:
      throw Object.assign(badRequest(`there is no ${request.method} ${url.pathname.slice(0, 100)}`), { status: 404 });
  }
}

async function sendEvents(response: ServerResponse, turns: Turns, turnId: string, after: number): Promise<void> {
  if (!Number.isInteger(after) || after < 0) throw badRequest("after must be a whole number");
  const log = turns.find(turnId, after);
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  response.flushHeaders();
  let gone = false;
  response.once("close", () => (gone = true));
  for await (const bytes of log.read(after)) {
    if (gone) return;
    if (!response.write(bytes)) await Promise.race([once(response, "drain"), once(response, "close")]);
  }
  response.end();
}

function parseTurn(value: unknown): TurnRequest {
  const { turnId, conversationId, prompt } = value as Record<string, unknown>;
  if (typeof turnId !== "string" || turnId === "" || typeof prompt !== "string")
    throw badRequest("a turn needs a turnId and a prompt");
  if (conversationId !== undefined && typeof conversationId !== "string")
    throw badRequest("a conversationId is a text");
  return { turnId, prompt, ...(conversationId === undefined ? {} : { conversationId }) };
}

function parseAnswer(value: unknown): { readonly requestId: string; readonly answer: PermissionAnswer } {
  const { requestId, optionId, by } = value as Record<string, unknown>;
  if (typeof requestId !== "string" || typeof by !== "string" || !["string", "undefined"].includes(typeof optionId))
    throw badRequest("an answer needs a requestId and who gave it");
  return { requestId, answer: { by, ...(typeof optionId === "string" ? { optionId } : {}) } };
}

function parseExec(value: unknown): ExecRequest {
  const { command } = value as { command?: unknown };
  if (!Array.isArray(command) || command.length === 0 || command.some((part) => typeof part !== "string")) {
    throw badRequest("a command is a list of words");
  }
  return value as ExecRequest;
}

function parseIdentity(value: unknown): BoxIdentity {
  const { boxId } = value as { boxId?: unknown };
  if (typeof boxId !== "string" || !/^[a-z]+_[0-9a-z]+$/.test(boxId)) throw badRequest("a box needs an id");
  return { boxId };
}

function badRequest(why: string): Error {
  return new SandboxError("box_protocol", `The request is not of this protocol: ${why}.`);
}

function parseUrl({ url = "/" }: IncomingMessage): URL {
  // Put behind a host, so that a path of two slashes does not name one.
  if (!URL.canParse(`http://box${url}`)) throw badRequest("the path cannot be read");
  return new URL(`http://box${url}`);
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw badRequest("the path cannot be read");
  }
}

async function readBytes(request: IncomingMessage, limit: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > limit) throw badRequest(`the body is larger than ${limit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const bytes = await readBytes(request, BOXD_LIMITS.requestBytes);
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Told below.
  }
  throw badRequest("the body is not a JSON object");
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function sendNothing(response: ServerResponse): void {
  response.writeHead(204).end();
}

function sendFailure(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  const status = (error as { status?: unknown }).status;
  const body: FailureBody = { error: toFailure(error) };
  sendJson(response, typeof status === "number" ? status : SkeinError.is(error) ? 400 : 500, body);
}
