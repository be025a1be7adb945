import type { AcpAgentHandlers, AcpClientDoor, AcpPromptRequest, AcpPromptResponse } from "../../agent/acp/index.ts";
import { acpInvalidParams, acpInvalidRequest, acpSessionNotFound, serveAcpAgent } from "../../agent/acp/index.ts";
import type { AgentProfile } from "../../agent/agent.ts";
import { createBoxBackend } from "../../backend/box/index.ts";
import type { StoredEventOf } from "../../event/event.ts";
import { onAbort } from "../../internal/abort.ts";
import { createId } from "../../internal/ids.ts";
import { WORKSPACE_PATCH } from "../../loop/outputs/workspace-patch.ts";
import type { Runtime } from "../../runtime/open-runtime.ts";
import { listWorkspaceFiles } from "../../runtime/workspace-files.ts";
import type { Box, CreateBoxOptions } from "../../sandbox/sandbox.ts";
import { streamTask } from "../../stream/stream-task.ts";
import { toAcpUpdate } from "../acp-updates.ts";
import { EditorQuestions } from "../editor-questions.ts";
import { createRunRedactor, toAgentEnv, toProfile, type AgentOptions } from "../agent-options.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { toGateway } from "../model-gateway.ts";
import { openData } from "../open-data.ts";
import { readVersion } from "../read-version.ts";

export interface ServeAcpOptions extends CommonOptions, AgentOptions {}

/** Names the session that a box works for, so that a later process finds it. */
const LABEL = "skein.acp";
/** How long a box waits for an editor that was closed to come back. */
const CLAIM_MS = 600_000;

/** Speaks ACP on standard input and output until the editor closes it: each prompt is a durable run, each session has a box. */
export async function serveAcp(line: CommandLine, options: ServeAcpOptions): Promise<void> {
  const { interrupt, env } = line;
  const profile = toProfile(options, line.cwd);
  const agentEnv = toAgentEnv(options, env);
  const gateway = toGateway(profile, options, env, interrupt.signal);
  await using runtime = await openData(line, options, { need: "write", containment: options.containment });
  const client = await runtime.openSandbox(undefined, gateway);
  const sessions = new AcpSessions(runtime, profile, {
    profile,
    env: agentEnv,
    network: options.network,
    claimMs: CLAIM_MS,
  });
  const running = new Map<string, AbortController>();
  const prompt = async (
    request: AcpPromptRequest,
    door: AcpClientDoor,
    signal: AbortSignal,
  ): Promise<AcpPromptResponse> => {
    const { sessionId } = request;
    if (running.has(sessionId))
      throw acpInvalidRequest("A prompt of this session is running; wait for its end, or cancel it.");
    const text = request.prompt.map((block) => (block.type === "text" ? block.text : "")).join("\n");
    if (text.trim() === "") throw acpInvalidParams("The prompt holds no text.");
    const controller = new AbortController();
    const offs = [signal, interrupt.signal].map((one) => onAbort(one, () => controller.abort(one.reason)));
    running.set(sessionId, controller);
    try {
      return await run(sessionId, text, door, controller.signal);
    } finally {
      running.delete(sessionId);
      for (const off of offs) off();
    }
  };
  const run = async (
    sessionId: string,
    text: string,
    door: AcpClientDoor,
    signal: AbortSignal,
  ): Promise<AcpPromptResponse> => {
    const { box, isStored, labels } = await sessions.open(sessionId, client, signal);
    let final: StoredEventOf<"final"> | undefined;
    let hasChange = false;
    const questions = new EditorQuestions(door, sessionId, box, signal);
    for await (const event of streamTask({
      task: { prompt: text },
      backend: createBoxBackend({ box }),
      store: runtime.store,
      sessionId,
      resume: isStored,
      signal,
      redact: createRunRedactor(agentEnv, env),
      labels: { title: text.slice(0, 60), ...labels },
    })) {
      const update = event.type === "run.started" ? undefined : toAcpUpdate(event);
      if (update !== undefined) await door.update(sessionId, update);
      if (event.type === "permission.requested" && options.permissions === "ask") questions.ask(event);
      if (event.type === "permission.answered") questions.answered(event);
      if (event.type === "artifact.created" && event.name === WORKSPACE_PATCH) hasChange = true;
      if (event.type === "final") final = event;
    }
    if (final?.status === "aborted") return { stopReason: "cancelled" };
    if (final?.status !== "completed") throw new Error(final?.error?.message ?? "The run did not end well.");
    if (hasChange) {
      const content = {
        type: "text" as const,
        text: `\n\nThe change is in the box; bring it here with: skein apply ${sessionId}\n`,
      };
      await door.update(sessionId, { sessionUpdate: "agent_message_chunk", content });
    }
    return { stopReason: "end_turn" };
  };
  const handlers: AcpAgentHandlers = {
    initialize: async () => ({
      protocolVersion: 1,
      agentInfo: { name: "skein", version: readVersion() },
      agentCapabilities: { loadSession: true, sessionCapabilities: { resume: {} } },
      authMethods: [],
    }),
    newSession: async ({ cwd }) => ({ sessionId: sessions.begin(cwd) }),
    loadSession: async ({ sessionId, cwd }, door) => {
      if ((await runtime.store.get(sessionId)) === undefined) throw acpSessionNotFound(sessionId);
      sessions.remember(sessionId, cwd);
      for await (const event of runtime.store.read(sessionId)) {
        const update = toAcpUpdate(event);
        if (update !== undefined) await door.update(sessionId, update);
      }
      return {};
    },
    resumeSession: async ({ sessionId, cwd }) => {
      if ((await runtime.store.get(sessionId)) === undefined) throw acpSessionNotFound(sessionId);
      sessions.remember(sessionId, cwd);
      return {};
    },
    prompt,
    cancel: (sessionId) => running.get(sessionId)?.abort(),
  };
  const server = serveAcpAgent("skein", handlers, { input: process.stdin, output: process.stdout });
  const off = onAbort(interrupt.signal, () => server.close());
  await server.closed;
  off();
  // What still runs has nobody left to hear it.
  for (const controller of running.values()) controller.abort();
}

/** The sessions that an editor has opened, each with the folder that its box has a copy of. */
class AcpSessions {
  readonly #runtime: Runtime;
  readonly #profile: AgentProfile;
  readonly #box: CreateBoxOptions;
  readonly #folders = new Map<string, string>();
  readonly #boxes = new Map<string, Box>();

  constructor(runtime: Runtime, profile: AgentProfile, box: CreateBoxOptions) {
    this.#runtime = runtime;
    this.#profile = profile;
    this.#box = box;
  }

  begin(cwd: string): string {
    const sessionId = createId("run");
    this.#folders.set(sessionId, cwd);
    return sessionId;
  }

  remember(sessionId: string, cwd: string): void {
    this.#folders.set(sessionId, cwd);
  }

  /** The session's box: the one that it has, else the one that an earlier process left, else a new one with a copy of the folder. */
  async open(
    sessionId: string,
    client: Awaited<ReturnType<Runtime["openSandbox"]>>,
    signal: AbortSignal,
  ): Promise<{ readonly box: Box; readonly isStored: boolean; readonly labels: Record<string, string> }> {
    const workspace = this.#folders.get(sessionId);
    if (workspace === undefined) throw acpSessionNotFound(sessionId);
    const isStored = (await this.#runtime.store.get(sessionId)) !== undefined;
    const known = this.#boxes.get(sessionId) ?? (isStored ? await this.#find(sessionId, client) : undefined);
    const box =
      known ??
      (await client.create({
        ...this.#box,
        name: `${this.#profile.name} for an editor`,
        labels: { [LABEL]: sessionId },
        files: await listWorkspaceFiles(workspace, { leaveOut: [this.#runtime.directory] }),
        signal,
      }));
    this.#boxes.set(sessionId, box);
    return { box, isStored, labels: { workspace } };
  }

  async #find(sessionId: string, client: Awaited<ReturnType<Runtime["openSandbox"]>>): Promise<Box | undefined> {
    for (const { id } of await client.list({ [LABEL]: sessionId })) {
      const box = await client.attach(id);
      if (box !== null) return box;
    }
    return undefined;
  }
}
