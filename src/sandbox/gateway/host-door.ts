import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { createConnection } from "node:net";
import { ValidationError } from "../../errors.ts";
import type { BoxLine, GatewayCall } from "./box-line.ts";
import { passOn, toPassedHeaders } from "./pass-on.ts";
import { refuse } from "./refusal.ts";

/** Says whether a box may reach a host. */
export type HostRules = (host: string, port: number) => boolean;

const RULE = /^(\*\.)?([a-z0-9][a-z0-9.-]*|\[[0-9a-f:]+\])(?::(\d{1,5}))?$/;

/** @throws ValidationError `invalid_option` for an entry that is no host */
export function createHostRules(allowed: readonly string[]): HostRules {
  const rules = allowed.map((entry) => {
    const [, below, host, port] = RULE.exec(entry.toLowerCase()) ?? [];
    if (host === undefined) {
      throw new ValidationError(
        "invalid_option",
        `${JSON.stringify(entry)} is no host that could be allowed; write name, name:port or *.name.`,
      );
    }
    return { host, isBelow: below !== undefined, ports: port === undefined ? [80, 443] : [Number(port)] };
  });
  return (host, port) =>
    rules.some(
      (rule) => rule.ports.includes(port) && (rule.isBelow ? host.endsWith(`.${rule.host}`) : host === rule.host),
    );
}

/** A plain HTTP request to a host that is allowed. */
export async function forwardToHost(
  rules: HostRules,
  call: GatewayCall,
  request: IncomingMessage,
  response: ServerResponse,
  idleMs: number,
): Promise<void> {
  const target = new URL(request.url as string);
  if (!rules(target.hostname.toLowerCase(), Number(target.port === "" ? 80 : target.port)))
    return refuse(response, 403, "gateway_host", notAllowed(target.host));
  const refusal = call.refusal();
  if (refusal !== undefined) return refuse(response, 403, "aborted", refusal.message);
  // What is for the host is passed on whole: the keys in it are the box's own.
  const { authorization } = request.headers;
  const headers = { ...toPassedHeaders(request), ...(authorization === undefined ? {} : { authorization }) };
  const body = request.method === "GET" || request.method === "HEAD" ? {} : { body: request };
  await passOn({
    target,
    method: request.method ?? "GET",
    headers,
    ...body,
    response,
    signal: call.signal,
    idleMs,
  }).catch((error: unknown) => {
    if (!response.headersSent) refuse(response, 502, "gateway_failed", (error as Error).message);
  });
}

/** A connection to a host that is allowed, of which nothing is read (TLS). */
export function tunnelToHost(
  rules: HostRules,
  line: BoxLine,
  { url = "" }: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  idleMs: number,
): void {
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/.exec(url.toLowerCase()) ?? [];
  const answer = (status: string, text = ""): void =>
    void socket.end(
      `HTTP/1.1 ${status}\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
  if (!rules(host, Number(port))) return answer("403 Forbidden", notAllowed(url));
  if (line.isRefusing) return answer("403 Forbidden", "The work was aborted.");
  const outside = createConnection({ host: host.replaceAll(/^\[|\]$/g, ""), port: Number(port) });
  outside.setTimeout(idleMs, () => outside.destroy());
  outside.once("connect", () => {
    socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
    if (head.length > 0) outside.write(head);
    socket.pipe(outside).pipe(socket);
  });
  outside.once("error", (error: NodeJS.ErrnoException) =>
    outside.bytesRead === 0 && outside.connecting
      ? answer("502 Bad Gateway", `${url}: ${error.code}`)
      : socket.destroy(),
  );
  outside.once("close", () => socket.destroy());
  socket.once("close", () => outside.destroy());
  socket.once("error", () => outside.destroy());
}

function notAllowed(host: string): string {
  return `The box may not reach ${host.slice(0, 200)}: it is not on the list of allowed hosts.`;
}
