import { type McpServer, parseMcpServers } from "../agent/mcp-servers.ts";
import { ValidationError } from "../errors.ts";
import { isSecretName } from "../event/redaction/redactor.ts";
import type { KnownSecret } from "../event/redaction/secret-matcher.ts";
import type { GatewayMcpServer } from "../sandbox/gateway/index.ts";

/** MCP servers that a user or an editor names, by where they are reached. */
export interface PlacedMcpServers {
  /** What the agent is told: those with a command, and the names of the others. */
  readonly forAgent: readonly McpServer[];
  /** Where the others are, with the headers that no box sees. */
  readonly behindGateway: readonly GatewayMcpServer[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** What is shorter is a word that a log may need. */
const SHORTEST_SECRET = 8;

/** What other programs write for the protocol's "Streamable HTTP". */
const HTTP_TYPES: readonly unknown[] = ["streamable-http", "streamableHttp"];

const FIELDS = ["type", "command", "args", "env", "url", "headers", "disabled"];

/**
 * The servers of a file that other programs have, too: `{"mcpServers":{NAME:{"command":…,"args":…,"env":…}}}`, or `{"url":…,"headers":…}` for one.
 * One with `"disabled": true` is left out. A field that means nothing here is refused: without it the server would be another than its author meant.
 * `${NAME}`, `${env:NAME}` and `${NAME:-otherwise}` in their values stand for variables of the environment.
 *
 * @throws ValidationError `invalid_option`
 */
export function parseMcpFile(value: unknown, where: string, env: Environment): readonly McpServer[] {
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
    const known = Object.entries(fields).map(([field, content]): [string, unknown] => [
      field,
      fillIn(content, env, `${where}: ${JSON.stringify(name)} has in ${field}`),
    ]);
    return [{ ...Object.fromEntries(known), name, ...(isHttp ? { type: "http" } : {}) }];
  });
  return parseMcpServers(list, where);
}

const VARIABLE = /\$\{([^}]*)\}/g;
const REFERENCE = /^(?:env:)?([A-Za-z_]\w*)(?::-(.*))?$/s;

/** Values with the variables that they name; the names of fields stay as they are. @param where for the error's sentence, which tells no value */
function fillIn(value: unknown, env: Environment, where: string): unknown {
  if (Array.isArray(value)) return value.map((part) => fillIn(part, env, where));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([name, part]): [string, unknown] => [name, fillIn(part, env, `${where}.${name}`)]),
    );
  if (typeof value !== "string") return value;
  return value.replaceAll(VARIABLE, (whole, inner: string) => {
    const [, name = "", otherwise] = REFERENCE.exec(inner) ?? [];
    if (name === "")
      throw new ValidationError(
        "invalid_option",
        `${where} the reference ${whole}, which Skein cannot look up; write \${NAME} for a variable of the environment.`,
      );
    // As in a shell, one that is empty is as good as none where there is something else to be taken.
    const found = env[name] === "" && otherwise !== undefined ? otherwise : (env[name] ?? otherwise);
    if (found !== undefined) return found;
    throw new ValidationError(
      "invalid_option",
      `${where} the variable ${name}, which is not set here; set it, or write \${${name}:-something else}.`,
    );
  });
}

/** What servers are given that must not be in a log: variables whose names look like a secret's, and such headers. */
export function listMcpSecrets(servers: readonly McpServer[]): KnownSecret[] {
  return servers.flatMap((server) => {
    const given = "url" in server ? server.headers : "command" in server ? server.env : undefined;
    return Object.entries(given ?? {}).flatMap(([name, text]) => {
      // Of "Bearer KEY" the key is the secret.
      const value = text.slice(text.lastIndexOf(" ") + 1);
      return isSecretName(name) && value.length >= SHORTEST_SECRET ? [{ name, value }] : [];
    });
  });
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
