import { ValidationError } from "../errors.ts";
import { parseModelPrices } from "../event/model-price.ts";
import type { AgentProfile } from "./agent.ts";
import type { AgentPlace, AgentStart } from "./coding-agents.ts";
import { parseMcpServers } from "./mcp-servers.ts";
import { parsePermissionRules } from "./permission-rules.ts";
import { CODING_AGENTS, startCodingAgent, startOwnAgent } from "./coding-agents.ts";

const OWN: Readonly<Record<string, () => AgentStart>> = {
  repair: () => startOwnAgent("./repair/repair-main.js"),
  // Does what the lines of its prompt say; for tests of what is around an agent.
  scripted: () => startOwnAgent("../testing/scripted-agent.js"),
};

/** Of a profile that is only looked at. Where an agent would keep things does not matter then, and not every user has a home. */
const NOWHERE: AgentPlace = { home: "/", mayDoAll: true };

/** The names that a profile's `agent` may be. */
export const AGENT_PRESET_NAMES: readonly string[] = [...Object.keys(OWN), ...Object.keys(CODING_AGENTS)];

/**
 * Resolves a profile's agent: the name of a preset, a command line (split at spaces, nothing else is understood), or a command with its environment.
 *
 * @throws ValidationError `agent_unknown`, `invalid_option` for prices, servers or permissions that are none, and servers for an agent that calls no tools
 */
export function resolveAgent(profile: AgentProfile, place: AgentPlace = NOWHERE): AgentStart {
  const { agent = "repair", prices = {}, permissions = "allow" } = profile;
  parsePermissionRules(permissions);
  parseMcpServers(profile.mcpServers ?? [], `the profile "${profile.name}"`);
  parseModelPrices(prices, `the profile "${profile.name}"`);
  if (typeof agent !== "string") {
    if (
      !Array.isArray(agent.command) ||
      agent.command.length === 0 ||
      agent.command.some((part) => typeof part !== "string" || part === "")
    ) {
      throw new ValidationError(
        "agent_unknown",
        `The profile "${profile.name}" names an agent without a program; give its command as a list of words.`,
      );
    }
    return { command: agent.command, env: agent.env ?? {} };
  }
  const own = Object.hasOwn(OWN, agent) ? OWN[agent] : undefined;
  if (own !== undefined) {
    if (agent === "repair" && (profile.mcpServers?.length ?? 0) > 0)
      throw new ValidationError(
        "invalid_option",
        "The agent repair calls no tools of MCP servers; leave them out, or name another agent.",
      );
    return own();
  }
  const coding = Object.hasOwn(CODING_AGENTS, agent) ? CODING_AGENTS[agent] : undefined;
  if (coding !== undefined) return startCodingAgent(coding, place);
  const words = agent.split(" ").filter((word) => word !== "");
  if (words.length > 1 || words[0]?.includes("/") === true) return { command: words, env: {} };
  throw new ValidationError(
    "agent_unknown",
    `There is no agent "${agent}". Known agents: ${AGENT_PRESET_NAMES.join(", ")}. Any other is started by its command line, such as "opencode acp" or "/path/to/agent".`,
  );
}

/** True for an agent that calls models, and so needs a way to them. */
export function needsModel({ agent = "repair" }: AgentProfile): boolean {
  return typeof agent !== "string" || !Object.hasOwn(OWN, agent);
}
