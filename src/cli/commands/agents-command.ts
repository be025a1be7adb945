import type { Command } from "commander";
import {
  addCommonOptions,
  addExamples,
  type CommandLine,
  type CommonOptions,
  type TryOptions,
} from "../common-options.ts";

export function addAgentsCommand(program: Command, line: CommandLine): void {
  const agents = program.command("agents").description("Coding agents that have a name: list them, install them.");
  const ls = agents
    .command("ls")
    .description("List the agents: which of them are there, and which of your variables lead them to a model.")
    .option("--json", "one JSON array")
    .option("--try", "start every agent that is there, each in a box of its own, and say what it answers")
    .action(async (options: TryOptions) => (await import("../actions/agents.ts")).showAgents(line, options));
  addCommonOptions(ls, ["skein agents ls", "skein agents ls --try"]);
  const install = agents
    .command("install")
    .description(
      "Fetch agents from npm into the data directory (or SKEIN_AGENTS). They come under licenses of their own.",
    )
    .argument("<agent...>", "their names")
    .action(async (names: string[], options: CommonOptions) =>
      (await import("../actions/agents.ts")).installAgents(line, names, options),
    );
  addCommonOptions(install, ["skein agents install opencode"]);
  addExamples(agents, ["skein agents ls", "skein agents install qwen"]);
}
