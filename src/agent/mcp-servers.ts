import { ValidationError } from "../errors.ts";

/**
 * A server of the Model Context Protocol, whose tools an agent is given.
 *
 * - A command: the agent starts it in its box and speaks to it over standard input and output.
 * - `type: "gateway"`: a server outside that the box's gateway leads to. The box knows its name alone; where it is, and its secrets, stay outside.
 * - `type: "http"` or `"sse"`: an address that the agent speaks to by itself, where the box can reach it. What stands in its headers is known in the box.
 *
 * @experimental
 */
export type McpServer =
  | {
      readonly type?: "stdio";
      readonly name: string;
      readonly command: string;
      readonly args?: readonly string[];
      readonly env?: Readonly<Record<string, string>>;
    }
  | { readonly type: "gateway"; readonly name: string }
  | {
      readonly type: "http" | "sse";
      readonly name: string;
      readonly url: string;
      readonly headers?: Readonly<Record<string, string>>;
    };

/** What a box knows of the servers behind its gateway. */
export interface McpDoor {
  readonly port: number;
  readonly token: string;
  readonly mcpServers?: readonly string[];
}

/** A server as the Agent Client Protocol names it. */
export type AcpMcpServer =
  | {
      readonly name: string;
      readonly command: string;
      readonly args: readonly string[];
      readonly env: readonly NameAndValue[];
    }
  | {
      readonly type: "http" | "sse";
      readonly name: string;
      readonly url: string;
      readonly headers: readonly NameAndValue[];
    };

interface NameAndValue {
  readonly name: string;
  readonly value: string;
}

/** Where a box finds a server of its gateway, below the gateway's address. */
export const MCP_PATH = "/mcp/";
/** Names of servers behind a gateway are parts of a path. */
export const MCP_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

/**
 * @param where the servers stand, for the error's sentence
 * @throws ValidationError `invalid_option`
 */
export function parseMcpServers(value: unknown, where: string): readonly McpServer[] {
  const refuse = (why: string): never => {
    throw new ValidationError(
      "invalid_option",
      `mcpServers of ${where}: ${why}. A server is { name, command, args?, env? } in the box, { type: "gateway", name } behind its gateway, or { type: "http", name, url, headers? }.`,
    );
  };
  if (!Array.isArray(value)) return refuse("it is no list");
  const names = new Set<string>();
  for (const server of value as unknown[]) {
    if (!isObject(server)) return refuse("one of them is no object");
    const { type = "stdio", name } = server;
    if (typeof name !== "string" || name === "") return refuse("one of them has no name");
    const called = JSON.stringify(name);
    if (names.has(name)) return refuse(`${called} is there twice`);
    names.add(name);
    if (type === "stdio") {
      const { command, args = [], env = {} } = server;
      if (typeof command !== "string" || command === "") return refuse(`${called} has no command`);
      if (!Array.isArray(args) || args.some((part) => typeof part !== "string"))
        return refuse(`args of ${called} is no list of words`);
      if (!isTexts(env)) return refuse(`env of ${called} is no object of texts`);
    } else if (type === "http" || type === "sse") {
      const { url, headers = {} } = server;
      if (typeof url !== "string" || !URL.canParse(url)) return refuse(`${called} has no url`);
      if (!isTexts(headers)) return refuse(`headers of ${called} is no object of texts`);
    } else if (type !== "gateway") return refuse(`${called} is of the type ${JSON.stringify(type)}, which is none`);
  }
  return value as readonly McpServer[];
}

/**
 * The servers as an agent is told of them; those behind the gateway are found at the gateway's own address.
 *
 * @throws ValidationError `invalid_option` for one that the gateway does not lead to
 */
export function toAcpMcpServers(servers: readonly McpServer[], door: McpDoor | undefined): AcpMcpServer[] {
  return servers.map((server) => {
    const { name } = server;
    switch (server.type) {
      case "gateway":
        requireServer(name, door?.mcpServers);
        return {
          type: "http",
          name,
          url: `http://127.0.0.1:${door?.port}${MCP_PATH}${name}`,
          headers: [{ name: "authorization", value: `Bearer ${door?.token}` }],
        };
      case "http":
      case "sse":
        return { type: server.type, name, url: server.url, headers: toList(server.headers) };
      default:
        return { name, command: server.command, args: server.args ?? [], env: toList(server.env) };
    }
  });
}

/** Servers as an ACP client names them; {@link parseMcpServers} says whether they can be had. */
export function fromAcpMcpServers(servers: readonly object[]): unknown[] {
  const toTexts = (list: unknown): unknown =>
    Array.isArray(list)
      ? Object.fromEntries((list as NameAndValue[]).map(({ name, value }) => [name, value] as const))
      : list;
  return (servers as readonly Record<string, unknown>[]).map(({ env, headers, ...server }) => ({
    ...server,
    ...(env === undefined ? {} : { env: toTexts(env) }),
    ...(headers === undefined ? {} : { headers: toTexts(headers) }),
  }));
}

/** @throws ValidationError `invalid_option` where a gateway leads to no server of this name */
export function requireServer(name: string, known: readonly string[] | undefined): void {
  if (known?.includes(name) === true) return;
  throw new ValidationError(
    "invalid_option",
    `The profile names the MCP server ${JSON.stringify(name)} behind the gateway, ${known === undefined ? "and the box has no gateway that leads to any" : `which leads to ${known.join(", ") || "none"}`}. Give it to createModelGateway({ mcpServers: [{ name, url }] }).`,
  );
}

function toList(texts: Readonly<Record<string, string>> = {}): NameAndValue[] {
  return Object.entries(texts).map(([name, value]) => ({ name, value }));
}

function isTexts(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((text) => typeof text === "string");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
