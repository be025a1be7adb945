import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { createServer } from "node:http";
import { MCP_PATH } from "../../agent/mcp-servers.ts";
import type { BoxGateway, GatewayBox, GatewayLine, GatewayUpstreamInfo } from "../box-gateway.ts";
import { BoxLine } from "./box-line.ts";
import type { ModelGatewayOptions } from "./gateway-options.ts";
import { createHostRules, forwardToHost, tunnelToHost } from "./host-door.ts";
import { forwardToMcp, isStanding, toMcpUpstreams } from "./mcp-door.ts";
import { forwardToModel } from "./model-call.ts";
import { refuse } from "./refusal.ts";
import { Spending } from "./spending.ts";
import { toUpstreams } from "./upstream.ts";

/**
 * The gateway of the boxes of one piece of work: it adds the real keys, lets through only what is configured, meters, and enforces budget and abort.
 * It listens nowhere; boxes bring their connections.
 *
 * @throws ValidationError `invalid_option`
 * @experimental
 */
export function createModelGateway(options: ModelGatewayOptions): BoxGateway {
  const upstreams = toUpstreams(options.upstreams);
  const rules = createHostRules(options.allowHosts ?? []);
  const mcpServers = toMcpUpstreams(options.mcpServers ?? []);
  const spending = new Spending(options);
  const idleMs = options.idleMs ?? 600_000;
  const lines = new WeakMap<Duplex, BoxLine>();
  const server = createServer((request, response) => {
    const line = lines.get(request.socket);
    if (line === undefined) return void request.socket.destroy();
    const call = line.begin(response, isStanding(request));
    const done = async (): Promise<void> => {
      if (!line.isAllowed(request))
        return refuse(response, 401, "gateway_key", "This door is for the processes of its own box.");
      if (request.url?.startsWith("http://") === true) return forwardToHost(rules, call, request, response, idleMs);
      if (request.url?.startsWith(MCP_PATH) === true) return forwardToMcp(mcpServers, call, request, response, idleMs);
      return forwardToModel({ upstreams, spending, idleMs }, call, request, response);
    };
    done().catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else refuse(response, 502, "gateway_failed", `The gateway could not pass this on: ${(error as Error).message}`);
    });
  });
  server.on("connect", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const line = lines.get(socket);
    if (line === undefined || !line.isAllowed(request))
      return void socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    tunnelToHost(rules, line, request, socket, head, idleMs);
  });
  keepOpen(server);
  const infos: GatewayUpstreamInfo[] = [...upstreams.values()].map(({ name, api }) => ({ name, api }));
  return {
    upstreams: infos,
    isProxy: (options.allowHosts?.length ?? 0) > 0,
    mcpServers: [...mcpServers.keys()],
    openBox(box: GatewayBox): GatewayLine {
      const line = new BoxLine(box, options.signal, (connection) => {
        lines.set(connection, line);
        server.emit("connection", connection);
      });
      return line;
    },
  };
}

/** Connections are closed by the box or with it: an agent that thinks for an hour finds its connection again. */
function keepOpen(server: Server): void {
  server.keepAliveTimeout = 0;
  server.headersTimeout = 0;
  server.requestTimeout = 0;
  server.timeout = 0;
  server.on("clientError", (_error, socket) => socket.destroy());
  server.on("upgrade", (_request, socket) => socket.destroy());
}
