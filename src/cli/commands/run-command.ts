import type { Command } from "commander";
import { createBoxBackend } from "../../backend/box/index.ts";
import { ValidationError } from "../../errors.ts";
import type { StoredEventOf } from "../../event/event.ts";
import { createId } from "../../internal/ids.ts";
import { WORKSPACE_PATCH } from "../../loop/outputs/workspace-patch.ts";
import { findSession } from "../../runtime/find-session.ts";
import type { Runtime } from "../../runtime/open-runtime.ts";
import { listWorkspaceFiles } from "../../runtime/workspace-files.ts";
import { streamTask } from "../../stream/stream-task.ts";
import { addAgentOptions, type AgentOptions, createRunRedactor, toAgentEnv, toProfile } from "../agent-options.ts";
import { addCommonOptions, type CommandLine, type CommonOptions, openData } from "../command-line.ts";
import { toExitCode } from "../exit-codes.ts";
import { renderNextCommands } from "../next-commands.ts";
import { parseDuration } from "../parse-option.ts";
import { renderContainment } from "../render/render-containment.ts";
import { BOX_CLAIM_MS } from "../run-package-loop.ts";
import { TaskStreamRenderer } from "../render/task-stream.ts";
import { resolveTask, type TaskOptions } from "../resolve-task.ts";

interface RunOptions extends CommonOptions, AgentOptions, TaskOptions {
  readonly timeout?: number;
  readonly session?: string;
  readonly resume?: boolean;
}

export function addRunCommand(program: Command, line: CommandLine): void {
  const command = program
    .command("run")
    .description("Run one agent in one box, and watch it live. It works on a copy of the folder: `skein apply` brings its change back.")
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
    'skein run "explain what this does" --agent "opencode acp" --network host --env OPENAI_API_KEY',
    "skein run ./my-package --timeout 2m --json | jq .type",
  ]).action((task: string, options: RunOptions) => run(line, task, options));
}

async function run(line: CommandLine, taskText: string, options: RunOptions): Promise<void> {
  const { terminal, interrupt } = line;
  const { style } = terminal;
  if (options.resume === true && options.session === undefined) {
    throw new ValidationError("invalid_option", "To resume, name the session with --session <id>; `skein ls` lists them.");
  }
  const task = await resolveTask(taskText, options, { cwd: line.cwd, home: line.env["HOME"] });
  const profile = toProfile(options);
  const env = toAgentEnv(options, line.env);
  await using runtime = await openData(line, options, { need: "write", containment: options.containment });
  const sessionId = await chooseSession(runtime, options);
  const client = await runtime.openSandbox(options.resume === true ? sessionId : undefined);
  const files = task.workspace === undefined ? [] : await listWorkspaceFiles(task.workspace, { leaveOut: [runtime.directory] });
  const json = options.json === true;
  if (!json) {
    terminal.print(style.dim(`${sessionId} · ${options.agent}`), style.dim(task.workspace === undefined ? "an empty workspace" : `a copy of ${task.workspace}`));
    terminal.print(...renderContainment(client.capabilities, style));
  }
  const renderer = new TaskStreamRenderer(style);
  let final: StoredEventOf<"final"> | undefined;
  let hasPatch = false;
  for await (const event of streamTask({
    task: { prompt: task.prompt },
    backend: createBoxBackend({ client, profile, files, env, network: options.network, claimMs: BOX_CLAIM_MS, name: sessionId }),
    store: runtime.store,
    sessionId,
    resume: options.resume === true,
    signal: interrupt.signal,
    redact: createRunRedactor(env, line.env),
    labels: { title: task.title, ...(task.workspace === undefined ? {} : { workspace: task.workspace }) },
    ...(options.timeout === undefined ? {} : { deadlineMs: options.timeout }),
  })) {
    if (json) terminal.printJson(event, "line");
    else terminal.write(renderer.render(event));
    if (event.type === "final") final = event;
    if (event.type === "artifact.created" && event.name === WORKSPACE_PATCH) hasPatch = true;
  }
  if (!json) terminal.print("", ...renderNextCommands(sessionId, options, hasPatch));
  line.exit(toExitCode(final?.status ?? "interrupted"));
}

async function chooseSession(runtime: Runtime, { session, resume }: RunOptions): Promise<string> {
  if (session === undefined) return createId("run");
  return resume === true ? (await findSession(runtime.store, session)).id : session;
}
