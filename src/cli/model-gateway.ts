import type { AgentProfile } from "../agent/agent.ts";
import type { CodingAgent } from "../agent/coding-agents.ts";
import { CODING_AGENTS } from "../agent/coding-agents.ts";
import { needsModel } from "../agent/presets.ts";
import { ValidationError } from "../errors.ts";
import type { BoxGateway, ModelApi } from "../sandbox/box-gateway.ts";
import type { GatewayUpstream } from "../sandbox/gateway/index.ts";
import { createModelGateway } from "../sandbox/gateway/index.ts";
import type { AgentOptions } from "./agent-options.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Which variables of the user's name a model's key and place. */
const VARIABLES: readonly { readonly api: ModelApi; readonly keys: readonly string[]; readonly url: string }[] = [
  { api: "openai", keys: ["OPENAI_API_KEY"], url: "OPENAI_BASE_URL" },
  { api: "anthropic", keys: ["ANTHROPIC_API_KEY"], url: "ANTHROPIC_BASE_URL" },
  { api: "gemini", keys: ["GEMINI_API_KEY", "GOOGLE_API_KEY"], url: "GOOGLE_GEMINI_BASE_URL" },
];

/**
 * The way of the boxes to models, with the keys of this environment, which stay here; undefined where the agent needs none.
 *
 * @throws ValidationError `invalid_option` where the agent could reach no model
 */
export function toGateway(
  profile: AgentProfile,
  options: AgentOptions,
  env: Environment,
  signal: AbortSignal,
): BoxGateway | undefined {
  if (!needsModel(profile)) return undefined;
  const upstreams = readUpstreams(env);
  const { agent } = profile;
  const coding = typeof agent === "string" && Object.hasOwn(CODING_AGENTS, agent) ? CODING_AGENTS[agent] : undefined;
  if (coding !== undefined && options.network === "none") checkModel(options, coding, upstreams);
  if (upstreams.length === 0 && options.allowHost.length === 0) return undefined;
  return createModelGateway({
    upstreams,
    allowHosts: options.allowHost,
    signal,
  });
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
