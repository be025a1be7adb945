import { type McpServer, parseMcpServers } from "../agent/mcp-servers.ts";
import { ValidationError } from "../errors.ts";
import type { GatewayMcpServer } from "../sandbox/gateway/index.ts";

/** MCP servers that a user or an editor names, by where they are reached. */
export interface PlacedMcpServers {
  /** What the agent is told: those with a command, and the names of the others. */
  readonly forAgent: readonly McpServer[];
  /** Where the others are, with the headers that no box sees. */
  readonly behindGateway: readonly GatewayMcpServer[];
}

/** What other programs write for the protocol's "Streamable HTTP". */
const HTTP_TYPES: readonly unknown[] = ["streamable-http", "streamableHttp"];

const FIELDS = ["type", "command", "args", "env", "url", "headers", "disabled"];

/**
 * The servers of a file that other programs have, too: `{"mcpServers":{NAME:{"command":…,"args":…,"env":…}}}`, or `{"url":…,"headers":…}` for one.
 * One with `"disabled": true` is left out. A field that means nothing here is refused: without it the server would be another than its author meant.
 *
 * @throws ValidationError `invalid_option`
 */
export function parseMcpFile(value: unknown, where: string): readonly McpServer[] {
  const servers = (value as { readonly mcpServers?: unknown } | null)?.mcpServers;
  if (typeof servers !== "object" || servers === null || Array.isArray(servers))
    throw new ValidationError(
      "invalid_option",
      `${where} holds no servers; write {"mcpServers":{"name":{"command":"node","args":["server.mjs"]}}}.`,
    );
  const list = Object.entries(servers as Record<string, object | null>).flatMap(([name, server]) => {
    const { disabled, ...fields } = (server ?? {}) as Readonly<Record<string, unknown>>;
    if (disabled === true) return [];
    const unknown = Object.keys(server ?? {}).find((field) => !FIELDS.includes(field));
    if (unknown !== undefined)
      throw new ValidationError(
        "invalid_option",
        `${where}: ${JSON.stringify(name)} has the field ${JSON.stringify(unknown)}, which Skein does not know; a server has ${FIELDS.join(", ")}.`,
      );
    const isHttp = HTTP_TYPES.includes(fields["type"]) || (fields["type"] === undefined && fields["url"] !== undefined);
    return [{ ...fields, name, ...(isHttp ? { type: "http" } : {}) }];
  });
  return parseMcpServers(list, where);
}

/**
 * Those with a command are started in the box; those with an address are outside, behind the gateway, and so are their headers.
 *
 * @throws ValidationError `invalid_option` for one that can be neither
 */
export function placeMcpServers(servers: readonly McpServer[], where: string): PlacedMcpServers {
  const behindGateway: GatewayMcpServer[] = [];
  const forAgent = servers.map((server): McpServer => {
    if (server.type === "sse")
      throw new ValidationError(
        "invalid_option",
        `mcpServers of ${where}: ${JSON.stringify(server.name)} is spoken to by SSE, which the gateway does not pass on; give its address for "http".`,
      );
    if (server.type !== "http") return server;
    // Behind the gateway a name is part of a path.
    const name = server.name.replaceAll(/[^A-Za-z0-9_-]/g, "-");
    const { url, headers = {} } = server;
    behindGateway.push({ name, url, headers });
    return { type: "gateway", name };
  });
  return { forAgent: parseMcpServers(forAgent, where), behindGateway };
}
