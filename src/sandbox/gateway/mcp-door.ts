import type { IncomingMessage, ServerResponse } from "node:http";
import { MCP_NAME, MCP_PATH } from "../../agent/mcp-servers.ts";
import { ValidationError } from "../../errors.ts";
import type { GatewayCall } from "./box-line.ts";
import type { GatewayMcpServer } from "./gateway-options.ts";
import { passOn, toPassedHeaders } from "./pass-on.ts";
import { refuse } from "./refusal.ts";

/** An MCP server with everything decided. */
export interface McpUpstream {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** @throws ValidationError `invalid_option` */
export function toMcpUpstreams(servers: readonly GatewayMcpServer[]): ReadonlyMap<string, McpUpstream> {
  const result = new Map<string, McpUpstream>();
  for (const { name, url, headers = {} } of servers) {
    const fail = (why: string): never => {
      throw new ValidationError("invalid_option", `The MCP server ${JSON.stringify(name)} of the gateway ${why}.`);
    };
    if (!MCP_NAME.test(name)) fail("has a name that is not of letters, digits, - and _");
    if (result.has(name)) fail("is there twice; give one of them another name");
    const target = URL.canParse(url) ? new URL(url) : fail("has a URL that is none");
    if (target.protocol !== "https:" && target.protocol !== "http:") fail("has a URL that is not http or https");
    if (target.username !== "" || target.password !== "") fail("has a password in its URL; give it in headers");
    for (const [header, value] of Object.entries(headers))
      if (!/^[\w-]+$/.test(header) || /[^\x20-\x7e]/.test(value)) fail("has a header that cannot be sent");
    result.set(name, {
      url: target,
      headers: Object.fromEntries(Object.entries(headers).map(([header, value]) => [header.toLowerCase(), value])),
    });
  }
  return result;
}

/** True for a request that waits for whatever the server may say, for as long as it stands: nothing is lost when it is closed. */
export function isStanding({ method, url = "" }: IncomingMessage): boolean {
  return method === "GET" && url.startsWith(MCP_PATH);
}

/** Passes a request on to the server that its path names. */
export async function forwardToMcp(
  servers: ReadonlyMap<string, McpUpstream>,
  call: GatewayCall,
  request: IncomingMessage,
  response: ServerResponse,
  idleMs: number,
): Promise<void> {
  const { method = "GET", url = "" } = request;
  const name = url.slice(MCP_PATH.length).replace(/\/$/, "");
  const server = servers.get(name);
  if (server === undefined) {
    const known = [...servers.keys()].map((one) => `${MCP_PATH}${one}`).join(", ") || "none";
    return refuse(response, 404, "gateway_mcp", `The gateway leads to no such MCP server. It leads to: ${known}.`);
  }
  if (!["GET", "POST", "DELETE"].includes(method))
    return refuse(response, 405, "gateway_mcp", `An MCP server is asked by POST, GET and DELETE, not by ${method}.`);
  const refusal = call.refusal();
  if (refusal !== undefined) return refuse(response, 403, "aborted", refusal.message);
  await passOn({
    target: server.url,
    method,
    headers: { ...toPassedHeaders(request), "accept-encoding": "identity", ...server.headers },
    ...(method === "POST" ? { body: request } : {}),
    response,
    signal: call.signal,
    idleMs,
  }).catch((error: unknown) => {
    if (!response.headersSent)
      refuse(
        response,
        502,
        "gateway_failed",
        `The MCP server ${name} could not be reached: ${(error as Error).message}`,
      );
  });
}
