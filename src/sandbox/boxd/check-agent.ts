import type { AgentProfile } from "../../agent/agent.ts";
import { resolveAgent } from "../../agent/presets.ts";

/**
 * Refuses a profile whose agent has no such name before a box is made for it.
 * @throws ValidationError `agent_unknown`
 */
export function checkAgent(profile: AgentProfile): void {
  resolveAgent(profile);
}
