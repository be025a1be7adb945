import type { Command } from "commander";
import type { ServeAcpOptions } from "../actions/serve-acp.ts";
import { addAgentOptions } from "../agent-options.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";

export function addAcpCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("acp")
    .description(
      "Be an agent for an editor: speak ACP on standard input and output. Each prompt is a durable run in a box.",
    );
  addAgentOptions(command);
  addCommonOptions(command, ["skein acp --agent opencode --model openai/gpt-5"]).action(
    async (options: ServeAcpOptions) => (await import("../actions/serve-acp.ts")).serveAcp(line, options),
  );
}
