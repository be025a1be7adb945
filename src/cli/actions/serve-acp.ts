import type { AcpAgentHandlers, AcpClientDoor, AcpPromptRequest, AcpPromptResponse } from "../../agent/acp/index.ts";
import { acpInvalidParams, acpInvalidRequest, serveAcpAgent } from "../../agent/acp/index.ts";
import { fromAcpMcpServers, parseMcpServers } from "../../agent/mcp-servers.ts";
import { mayAsk } from "../../agent/permission-rules.ts";
import { createBoxBackend } from "../../backend/box/index.ts";
import type { StoredEventOf } from "../../event/event.ts";
import { ValidationError } from "../../errors.ts";
import { onAbort } from "../../internal/abort.ts";
import { WORKSPACE_PATCH } from "../../loop/outputs/workspace-patch.ts";
import { streamTask } from "../../stream/stream-task.ts";
import { AcpSessions } from "../acp-sessions.ts";
import { toAcpUpdate } from "../acp-updates.ts";
import { EditorQuestions } from "../editor-questions.ts";
import { createRunRedactor, toAgentEnv, type AgentOptions } from "../agent-options.ts";
import type { CommandLine, CommonOptions } from "../common-options.ts";
import { openData } from "../open-data.ts";
import { readVersion } from "../read-version.ts";
import { toAgent, type ChosenAgent } from "../to-agent.ts";

export interface ServeAcpOptions extends CommonOptions, AgentOptions {}

/** How long a box waits for an editor that was closed to come back. */
const CLAIM_MS = 600_000;

/** Speaks ACP on standard input and output until the editor closes it: each prompt is a durable run, each session has a box. */
export async function serveAcp(line: CommandLine, options: ServeAcpOptions): Promise<void> {
  const { interrupt, env } = line;
  // What is wrong with the options is said before the editor is.
  toAgent(options, line);
  const agentEnv = toAgentEnv(options, env);
  await using runtime = await openData(line, options, { need: "write", containment: options.containment });
  const sessions = await AcpSessions.open(runtime, { env: agentEnv, network: options.network, claimMs: CLAIM_MS });
  /** The agent of a session, with the servers that the editor gives it beside those of the options. */
  const choose = ({ mcpServers = [] }: { readonly mcpServers?: readonly object[] }): ChosenAgent => {
    try {
      return toAgent(options, line, parseMcpServers(fromAcpMcpServers(mcpServers), "the editor"));
    } catch (error) {
      throw error instanceof ValidationError ? acpInvalidParams(error.message) : error;
    }
  };
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
    const { box, isStored, labels, secrets } = await sessions.open(sessionId, signal);
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
      redact: createRunRedactor(agentEnv, env, secrets),
      labels: { title: text.slice(0, 60), ...labels },
    })) {
      const update = event.type === "run.started" ? undefined : toAcpUpdate(event);
      if (update !== undefined) await door.update(sessionId, update);
      if (event.type === "permission.requested" && mayAsk(options.permissions)) questions.ask(event);
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
      agentCapabilities: {
        loadSession: true,
        mcpCapabilities: { http: true },
        sessionCapabilities: { resume: {} },
      },
      authMethods: [],
    }),
    newSession: async (request) => ({ sessionId: sessions.begin(request.cwd, choose(request)) }),
    loadSession: async (request, door) => {
      const { sessionId, cwd } = request;
      await sessions.remember(sessionId, cwd, choose(request));
      for await (const event of runtime.store.read(sessionId)) {
        const update = toAcpUpdate(event);
        if (update !== undefined) await door.update(sessionId, update);
      }
      return {};
    },
    resumeSession: async (request) => {
      await sessions.remember(request.sessionId, request.cwd, choose(request));
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
