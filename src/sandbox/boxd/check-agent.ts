import type { AgentProfile } from "../../agent/agent.ts";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CODING_AGENTS, findProgram } from "../../agent/coding-agents.ts";
import { resolveAgent } from "../../agent/presets.ts";

/**
 * Refuses a profile whose agent has no such name before a box is made for it.
 * @throws ValidationError `agent_unknown`
 */
export function checkAgent(profile: AgentProfile): void {
  resolveAgent(profile);
}

/** The folder that the profile's agent was installed into, below the folder of all that are; undefined: it has none. */
export function findAgentFolder(profile: AgentProfile, agents: string | undefined): string | undefined {
  const { agent } = profile;
  if (agents === undefined || typeof agent !== "string" || !Object.hasOwn(CODING_AGENTS, agent)) return undefined;
  const folder = join(agents, agent);
  const known = CODING_AGENTS[agent];
  return known !== undefined && existsSync(folder) && findProgram(known, folder) !== undefined ? folder : undefined;
}
