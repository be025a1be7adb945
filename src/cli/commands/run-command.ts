import type { Command } from "commander";
import type { RunOptions } from "../actions/run-agent.ts";
import { addAgentOptions } from "../agent-options.ts";
import { addCommonOptions, type CommandLine } from "../common-options.ts";
import { parseDuration } from "../parse-option.ts";

export function addRunCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("run")
    .description(
      "Run one agent in one box, and watch it live. It works on a copy of the folder: `skein apply` brings its change back.",
    )
    .argument("<task>", 'a prompt, or a folder, whose prompt is "Make the tests of this package pass."')
    .option("--workspace <dir>", "the folder to copy into the box (default: this one if it is a project, else none)")
    .option("--no-workspace", "an empty workspace")
    .option("--prompt <text>", "the prompt, where the task is a folder")
    .option("--timeout <duration>", "end the run after this time, such as 90s or 10m", parseDuration)
    .option("--session <id>", "the id of the new session, or the one to resume")
    .option("--resume", "a new run in the session that --session names")
    .option("--json", "the stored events, one a line");
  addAgentOptions(command);
  addCommonOptions(command, [
    "skein run ./my-package",
    'skein run "explain what this does" --agent codex --model gpt-5',
    "skein run ./my-package --timeout 2m --json | jq .type",
  ]).action(async (task: string, options: RunOptions) =>
    (await import("../actions/run-agent.ts")).runAgent(line, task, options),
  );
}
