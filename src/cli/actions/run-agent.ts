import { createBoxBackend } from "../../backend/box/index.ts";
import { ValidationError } from "../../errors.ts";
import type { StoredEventOf } from "../../event/event.ts";
import { createId } from "../../internal/ids.ts";
import { WORKSPACE_PATCH } from "../../loop/outputs/workspace-patch.ts";
import { findSession } from "../../runtime/find-session.ts";
import type { Runtime } from "../../runtime/open-runtime.ts";
import { listWorkspaceFiles } from "../../runtime/workspace-files.ts";
import { streamTask } from "../../stream/stream-task.ts";
import { createRunRedactor, toAgentEnv, type AgentOptions } from "../agent-options.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { toAgent } from "../to-agent.ts";
import { openData } from "../open-data.ts";
import { toExitCode } from "../exit-codes.ts";
import { renderNextCommands } from "../next-commands.ts";
import { renderContainment } from "../render/render-containment.ts";
import { BOX_CLAIM_MS } from "../run-package-loop.ts";
import { TaskStreamRenderer } from "../render/task-stream.ts";
import { resolveTask, type TaskOptions } from "../resolve-task.ts";

export interface RunOptions extends CommonOptions, AgentOptions, TaskOptions {
  readonly timeout?: number;
  readonly session?: string;
  readonly resume?: boolean;
}

export async function runAgent(line: CommandLine, taskText: string, options: RunOptions): Promise<void> {
  const { terminal, interrupt } = line;
  const { style } = terminal;
  if (options.resume === true && options.session === undefined) {
    throw new ValidationError(
      "invalid_option",
      "To resume, name the session with --session <id>; `skein ls` lists them.",
    );
  }
  const task = await resolveTask(taskText, options, { cwd: line.cwd, home: line.env["HOME"] });
  const { profile, gateway, secrets } = toAgent(options, line);
  const env = toAgentEnv(options, line.env);
  await using runtime = await openData(line, options, {
    need: "write",
    containment: options.containment,
    ...(options.sandbox === undefined ? {} : { sandbox: options.sandbox }),
  });
  const sessionId = await chooseSession(runtime, options);
  const client = await runtime.openSandbox(options.resume === true ? sessionId : undefined, gateway);
  const files =
    task.workspace === undefined ? [] : await listWorkspaceFiles(task.workspace, { leaveOut: [runtime.directory] });
  const json = options.json === true;
  const renderer = new TaskStreamRenderer(style);
  let final: StoredEventOf<"final"> | undefined;
  let hasPatch = false;
  for await (const event of streamTask({
    task: { prompt: task.prompt },
    backend: createBoxBackend({
      client,
      profile,
      files,
      env,
      network: options.network,
      claimMs: BOX_CLAIM_MS,
      name: sessionId,
    }),
    store: runtime.store,
    sessionId,
    resume: options.resume === true,
    signal: interrupt.signal,
    redact: createRunRedactor(env, line.env, secrets),
    labels: { title: task.title, ...(task.workspace === undefined ? {} : { workspace: task.workspace }) },
    ...(options.timeout === undefined ? {} : { deadlineMs: options.timeout }),
  })) {
    // Only a run that began has something to say: one that is refused says so in one sentence.
    if (!json && event.type === "run.started") {
      terminal.print(
        style.dim(`${sessionId} · ${options.agent}`),
        style.dim(task.workspace === undefined ? "an empty workspace" : `a copy of ${task.workspace}`),
      );
      terminal.print(...renderContainment(client.capabilities, style));
    }
    if (json) terminal.printJson(event, "line");
    else terminal.write(renderer.render(event));
    if (event.type === "final") final = event;
    if (event.type === "artifact.created" && event.name === WORKSPACE_PATCH) hasPatch = true;
  }
  if (!json) terminal.print("", ...renderNextCommands(sessionId, options, hasPatch ? "winner" : "none"));
  line.exit(toExitCode(final?.status ?? "interrupted"));
}

async function chooseSession(runtime: Runtime, { session, resume }: RunOptions): Promise<string> {
  if (session === undefined) return createId("run");
  return resume === true ? (await findSession(runtime.store, session)).id : session;
}
