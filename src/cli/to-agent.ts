import type { AgentProfile } from "../agent/agent.ts";
import type { CodingAgent } from "../agent/coding-agents.ts";
import { CODING_AGENTS } from "../agent/coding-agents.ts";
import type { McpServer } from "../agent/mcp-servers.ts";
import { needsModel } from "../agent/presets.ts";
import { ValidationError } from "../errors.ts";
import type { KnownSecret } from "../event/redaction/secret-matcher.ts";
import type { BoxGateway, ModelApi } from "../sandbox/box-gateway.ts";
import type { GatewayMcpServer, GatewayUpstream } from "../sandbox/gateway/index.ts";
import { createModelGateway } from "../sandbox/gateway/index.ts";
import { readMcpServers, toProfile, type AgentOptions } from "./agent-options.ts";
import type { CommandLine } from "./common-options.ts";
import { listMcpSecrets, placeMcpServers } from "./mcp-servers.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Which variables of the user's name a model's key and place. */
const VARIABLES: readonly { readonly api: ModelApi; readonly keys: readonly string[]; readonly url: string }[] = [
  { api: "openai", keys: ["OPENAI_API_KEY"], url: "OPENAI_BASE_URL" },
  { api: "anthropic", keys: ["ANTHROPIC_API_KEY"], url: "ANTHROPIC_BASE_URL" },
  { api: "gemini", keys: ["GEMINI_API_KEY", "GOOGLE_API_KEY"], url: "GOOGLE_GEMINI_BASE_URL" },
];

/** The agent that the options name, and the one way out of its boxes; undefined where it needs none. */
export interface ChosenAgent {
  readonly profile: AgentProfile;
  readonly gateway: BoxGateway | undefined;
  /** What its MCP servers were given that must not be in the log. */
  readonly secrets: readonly KnownSecret[];
}

/**
 * The agent, and its way to models and MCP servers, with the keys of this environment, which stay here.
 *
 * @param more MCP servers beside those of the options
 * @throws ValidationError `agent_unknown`; `invalid_option` also where the agent could reach no model
 */
export function toAgent(
  options: AgentOptions,
  { cwd, env, interrupt }: CommandLine,
  more: readonly McpServer[] = [],
): ChosenAgent {
  const named = [...readMcpServers(options, cwd, env), ...more];
  const servers = placeMcpServers(named, "this command");
  const profile = toProfile(options, cwd, servers.forAgent);
  const gateway = toGateway(profile, options, env, interrupt.signal, servers.behindGateway);
  return { profile, gateway, secrets: listMcpSecrets(named) };
}

function toGateway(
  profile: AgentProfile,
  options: AgentOptions,
  env: Environment,
  signal: AbortSignal,
  mcpServers: readonly GatewayMcpServer[],
): BoxGateway | undefined {
  const upstreams = needsModel(profile) ? readUpstreams(env) : [];
  const { agent } = profile;
  const coding = typeof agent === "string" && Object.hasOwn(CODING_AGENTS, agent) ? CODING_AGENTS[agent] : undefined;
  if (coding !== undefined && options.network === "none") checkModel(options, coding, upstreams);
  const allowHosts = needsModel(profile) ? options.allowHost : [];
  if (upstreams.length === 0 && allowHosts.length === 0 && mcpServers.length === 0) return undefined;
  return createModelGateway({ upstreams, allowHosts, mcpServers, signal });
}

function readUpstreams(env: Environment): GatewayUpstream[] {
  const given = (name: string): string | undefined => (env[name] === "" ? undefined : env[name]);
  return VARIABLES.flatMap(({ api, keys, url }) => {
    const key = keys.map(given).find((value) => value !== undefined);
    const baseUrl = given(url);
    if (key === undefined && baseUrl === undefined) return [];
    return [{ api, ...(key === undefined ? {} : { key }), ...(baseUrl === undefined ? {} : { baseUrl }) }];
  });
}

/** Which variables of the user's lead an agent to its models. */
export interface ModelVariables {
  /** Those that are set; none: the agent has no model. */
  readonly set: readonly string[];
  /** Those of which one is enough. */
  readonly wanted: readonly string[];
}

/** Looks at the variables that `toAgent` reads, by name alone. */
export function findModelVariables(agent: string, env: Environment): ModelVariables {
  const fitting = VARIABLES.filter(({ api }) => CODING_AGENTS[agent]?.apis.includes(api) === true);
  const names = fitting.flatMap(({ keys, url }) => [...keys, url]);
  return { set: names.filter((name) => (env[name] ?? "") !== ""), wanted: names };
}

function checkModel({ agent, model }: AgentOptions, coding: CodingAgent, upstreams: readonly GatewayUpstream[]): void {
  const fitting = VARIABLES.filter(({ api }) => coding.apis.includes(api));
  if (!upstreams.some(({ api }) => coding.apis.includes(api))) {
    const names = fitting.map(({ keys }) => keys[0]).join(" or ");
    throw new ValidationError(
      "invalid_option",
      `The agent ${agent} has no model: set ${names} here (it stays on this side of the box), or ${fitting.map(({ url }) => url).join(" or ")} for a model of your own.`,
    );
  }
  if (model === undefined && agent !== "claude")
    throw new ValidationError("invalid_option", `The agent ${agent} wants a model; name it with --model.`);
}
