import { fileURLToPath } from "node:url";
import { ValidationError } from "../errors.ts";
import type { AgentProfile } from "./agent.ts";

/** How to start an agent: program and arguments, as they are named where it runs. */
export interface ResolvedAgent {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** An agent of this package. The path is relative to this file, because only the box knows where the package lies inside it. */
const own = (file: string) => (): ResolvedAgent => ({
  command: [process.execPath, fileURLToPath(new URL(file, import.meta.url))],
  env: {},
});

const PRESETS: Readonly<Record<string, () => ResolvedAgent>> = {
  repair: own("./repair/repair-main.js"),
  // Does what the lines of its prompt say; for tests of what is around an agent.
  scripted: own("../testing/scripted-agent.js"),
};

/** The names that a profile's `agent` may be. */
export const AGENT_PRESET_NAMES: readonly string[] = Object.keys(PRESETS);

/**
 * Resolves a profile's agent: the name of a preset, a command line (split at spaces, nothing else is understood), or a command with its environment.
 *
 * @throws ValidationError `agent_unknown`
 */
export function resolveAgent(profile: AgentProfile): ResolvedAgent {
  const { agent = "repair" } = profile;
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
  const preset = Object.hasOwn(PRESETS, agent) ? PRESETS[agent] : undefined;
  if (preset !== undefined) return preset();
  const words = agent.split(" ").filter((word) => word !== "");
  if (words.length > 1 || words[0]?.includes("/") === true) return { command: words, env: {} };
  throw new ValidationError(
    "agent_unknown",
    `There is no agent "${agent}". Known agents: ${AGENT_PRESET_NAMES.join(", ")}. Any other is started by its command line, such as "opencode acp" or "/path/to/agent".`,
  );
}
