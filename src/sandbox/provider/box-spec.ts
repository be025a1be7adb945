import { checkAgent, findAgentFolder } from "../boxd/index.ts";
import type { CreateBoxOptions } from "../sandbox.ts";
import type { BoxSpec } from "./box-record.ts";

const DEFAULT_CLAIM_MS = 600_000;

/**
 * How a box is made, from what its caller asked for.
 *
 * @param agents the folder that agents were installed into
 * @throws ValidationError `agent_unknown`
 */
export function toBoxSpec(options: CreateBoxOptions, agents: string | undefined): BoxSpec {
  checkAgent(options.profile);
  const agentFolder = findAgentFolder(options.profile, agents);
  return {
    profile: options.profile,
    ...(options.image === undefined ? {} : { image: options.image }),
    env: options.env ?? {},
    network: options.network ?? "none",
    limits: options.limits ?? {},
    claimMs: options.claimMs ?? DEFAULT_CLAIM_MS,
    agentStart: "eager",
    ...(agentFolder === undefined ? {} : { agentFolder }),
  };
}
