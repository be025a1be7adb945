/**
 * The client side of ACP: one agent process, driven over stdio. It offers the agent neither a file system nor a terminal
 * (the agent lives in the box and uses the box's own), answers what it does not know with -32601, and bounds every wait.
 */
import type * as acp from "@agentclientprotocol/sdk/unstable";
import { PROTOCOL_VERSION } from "@agentclientprotocol/sdk/unstable";
import type { BackendEventBody } from "../../event/event.ts";
import type { AgentDescription } from "../agent.ts";
import type { AcpMcpServer } from "../mcp-servers.ts";
import { AbortError, BackendError } from "../../errors.ts";
import { onAbort, throwIfAborted } from "../../internal/abort.ts";
import type { AcpConnectionOptions } from "./acp-connection.ts";
import { AcpConnection } from "./acp-connection.ts";
import type { PermissionAnswer } from "./acp-permission.ts";
import { conversationGone, isSessionNotFound } from "./acp-errors.ts";
import type { CumulativeCost } from "./acp-turn-mapper.ts";
import { AcpTurnMapper } from "./acp-turn-mapper.ts";

/** @experimental */
export interface AcpAgentOptions extends AcpConnectionOptions {
  readonly model?: string;
  readonly mode?: string;
  /** As the protocol has them. */
  readonly mcpServers?: readonly AcpMcpServer[];
}

/**
 * How a turn ended that did not fail.
 *
 * @experimental
 */
export interface AcpTurnEnd {
  readonly stopReason: string;
}

/** @experimental */
export interface AcpPromptOptions {
  readonly signal?: AbortSignal;
  /** What the ids of the turn's questions begin with; unique over the turns of a session. Default: `permission`. */
  readonly name?: string;
  /** Called in order, never after the promise has settled. */
  readonly onEvent: (body: BackendEventBody) => void;
}

/**
 * A running agent. After any failure of the process it is of no more use: open another.
 *
 * @experimental
 */
export class AcpAgent {
  readonly info: acp.InitializeResponse;
  readonly #connection: AcpConnection;
  readonly #options: AcpAgentOptions;
  readonly #costs = new Map<string, CumulativeCost>();

  /** Use {@link openAcpAgent}. */
  constructor(info: acp.InitializeResponse, connection: AcpConnection, options: AcpAgentOptions) {
    this.info = info;
    this.#connection = connection;
    this.#options = options;
  }

  get hasEnded(): boolean {
    return this.#connection.hasEnded;
  }

  get canLoad(): boolean {
    return this.info.agentCapabilities?.loadSession === true || this.#can("resume");
  }

  /** As the agent said when it was greeted. */
  describe(): AgentDescription {
    const { agentInfo, agentCapabilities } = this.info;
    const { loadSession, sessionCapabilities, mcpCapabilities } = agentCapabilities ?? {};
    const offered = { load: loadSession, ...sessionCapabilities, ...mcpCapabilities };
    return {
      ...(typeof agentInfo?.name === "string" ? { name: agentInfo.name } : {}),
      ...(typeof agentInfo?.version === "string" ? { version: agentInfo.version } : {}),
      can: Object.entries(offered)
        .filter(([name, offer]) => name !== "_meta" && offer !== undefined && offer !== null && offer !== false)
        .map(([name]) => name),
    };
  }

  get canList(): boolean {
    return this.#can("list");
  }

  /** A new conversation; resolves with the agent's own id of it. */
  async newSession(): Promise<string> {
    const response = await this.#connection.request("start a conversation", "session/new", this.#sessionParams());
    await this.#configure(response.sessionId, response);
    return response.sessionId;
  }

  /**
   * Makes an earlier conversation current, by `session/resume` where the agent has it, else by `session/load`, whose replay of
   * the history is suppressed: those events are stored already.
   * @throws ValidationError `conversation_gone`, BackendError `agent_cannot_load`
   */
  async loadSession(sessionId: string): Promise<void> {
    const load = this.info.agentCapabilities?.loadSession === true;
    const resume = this.#can("resume");
    if (!load && !resume) {
      throw new BackendError(
        "agent_cannot_load",
        "The agent offers neither session/load nor session/resume, so an earlier conversation cannot be gone on with in a new process.",
      );
    }
    const method = resume ? "session/resume" : "session/load";
    this.#connection.replaying = { sessionId, cost: this.#cost(sessionId) };
    try {
      const response = await this.#connection.request("load the conversation", method, {
        sessionId,
        ...this.#sessionParams(),
      });
      await this.#configure(sessionId, response ?? {});
    } catch (error) {
      throw isSessionNotFound((error as Error).cause) ? conversationGone(sessionId, error) : error;
    } finally {
      this.#connection.replaying = undefined;
    }
  }

  /** True where the agent's own list holds the conversation. */
  async listsSession(sessionId: string): Promise<boolean> {
    let cursor: string | undefined;
    for (let page = 0; page < 100; page++) {
      const params = { cwd: this.#options.cwd, ...(cursor === undefined ? {} : { cursor }) };
      const response: acp.ListSessionsResponse = await this.#connection.request(
        "list its conversations",
        "session/list",
        params,
      );
      if (response.sessions.some((session) => session.sessionId === sessionId)) return true;
      if (typeof response.nextCursor !== "string") return false;
      cursor = response.nextCursor;
    }
    return false;
  }

  /** Ends a conversation that nobody will come back to; an agent that cannot is left alone. */
  async closeSession(sessionId: string): Promise<void> {
    if (this.#can("close"))
      await this.#connection.request("close the conversation", "session/close", { sessionId }).catch(() => {});
    this.#costs.delete(sessionId);
  }

  /**
   * Sends a prompt and resolves when the agent has ended its turn. One at a time.
   *
   * @throws AbortError when the signal fired; BackendError `agent_exited`, `agent_garbage`, `agent_silent`, `agent_refused`, `agent_failed`
   */
  async prompt(sessionId: string, text: string, options: AcpPromptOptions): Promise<AcpTurnEnd> {
    throwIfAborted(options.signal);
    if (this.#connection.turn !== undefined)
      throw new BackendError("agent_failed", "The agent is in the middle of a turn; wait for it to end.");
    const mapper = new AcpTurnMapper(options.onEvent, this.#cost(sessionId));
    this.#connection.turn = { sessionId, mapper, emit: options.onEvent, name: options.name ?? "permission" };
    let killTimer: NodeJS.Timeout | undefined;
    const off = onAbort(options.signal, () => {
      this.#connection.cancel(sessionId);
      this.#connection.permissions.close("cancelled");
      // An agent that does not end its turn in time is killed: the box stays usable, the next prompt starts it again.
      killTimer = setTimeout(() => this.#connection.process.signal("SIGKILL"), this.#connection.limits.cancelMs);
    });
    try {
      const response = await this.#connection.request("take the prompt", "session/prompt", {
        sessionId,
        prompt: [{ type: "text", text }],
      });
      mapper.answer(response);
      if (options.signal?.aborted || response.stopReason === "cancelled")
        throw new AbortError("The turn was cancelled.");
      if (response.stopReason === "refusal")
        throw new BackendError(
          "agent_refused",
          "The agent refused to go on with this prompt; put it in another way, or ask another agent.",
        );
      return { stopReason: response.stopReason };
    } catch (error) {
      if (options.signal?.aborted) throw new AbortError("The turn was cancelled.", { cause: error });
      throw error;
    } finally {
      clearTimeout(killTimer);
      off();
      this.#connection.permissions.close("turn_ended");
      mapper.close();
      this.#connection.turn = undefined;
    }
  }

  /**
   * A person's answer to a question of the running turn (policy `ask`).
   *
   * @throws ValidationError `permission_unknown`, `invalid_option`
   */
  answer(requestId: string, answer: PermissionAnswer): void {
    this.#connection.permissions.answer(requestId, answer);
  }

  /** Stops or continues the agent's processes, so that its files can be copied at rest. */
  pause(): void {
    this.#connection.process.signal("SIGSTOP");
  }

  unpause(): void {
    this.#connection.process.signal("SIGCONT");
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** What the conversation is known to have cost; the agent counts on from there. */
  costOf(sessionId: string): number {
    return this.#cost(sessionId).costUsd;
  }

  setCost(sessionId: string, costUsd: number): void {
    this.#cost(sessionId).costUsd = costUsd;
  }

  #cost(sessionId: string): CumulativeCost {
    let cost = this.#costs.get(sessionId);
    if (cost === undefined) this.#costs.set(sessionId, (cost = { costUsd: 0 }));
    return cost;
  }

  #can(name: "list" | "resume" | "close"): boolean {
    const capability = this.info.agentCapabilities?.sessionCapabilities?.[name];
    return capability !== undefined && capability !== null;
  }

  #sessionParams(): { cwd: string; mcpServers: acp.McpServer[] } {
    return { cwd: this.#options.cwd, mcpServers: (this.#options.mcpServers ?? []) as unknown as acp.McpServer[] };
  }

  /** The profile's model and mode, set by the agent's own means. */
  async #configure(sessionId: string, settings: SessionSettings): Promise<void> {
    const { model, mode } = this.#options;
    if (mode !== undefined)
      await this.#connection.request(`switch to the mode "${mode}"`, "session/set_mode", { sessionId, modeId: mode });
    if (model === undefined) return;
    const option = settings.configOptions?.find(
      (candidate) => candidate.category === "model" || candidate.id === "model",
    );
    if (option === undefined) {
      this.#options.onStray?.("agent.model_ignored", { model, reason: "The agent offers no choice of model." });
      return;
    }
    await this.#connection.request(`switch to the model "${model}"`, "session/set_config_option", {
      sessionId,
      configId: option.id,
      value: model,
    });
  }
}

/** Every agent starts servers by a command; by which addresses it speaks to others it says itself. */
function requireMcp({ agentCapabilities }: acp.InitializeResponse, servers: readonly AcpMcpServer[]): void {
  const missing = servers.find(
    (server) => "type" in server && agentCapabilities?.mcpCapabilities?.[server.type] !== true,
  );
  if (missing === undefined || !("type" in missing)) return;
  throw new BackendError(
    "agent_no_mcp",
    `The agent speaks to no MCP servers over ${missing.type.toUpperCase()}, so it cannot be given "${missing.name}"; use another agent, or a server that is started by a command.`,
  );
}

interface SessionSettings {
  readonly configOptions?: readonly { readonly id: string; readonly category?: string | null }[] | null;
}

/**
 * Starts an agent and greets it.
 *
 * @throws BackendError `agent_not_found`, `agent_exited`, `agent_garbage`, `agent_silent`, `agent_failed`, `agent_no_mcp`
 *
 * @experimental
 */
export async function openAcpAgent(options: AcpAgentOptions): Promise<AcpAgent> {
  const connection = new AcpConnection(options);
  try {
    const info = await connection.request("initialize", "initialize", {
      protocolVersion: PROTOCOL_VERSION,
      clientInfo: { name: "skein", version: "1" },
      clientCapabilities: {},
    });
    requireMcp(info, options.mcpServers ?? []);
    return new AcpAgent(info, connection, options);
  } catch (error) {
    await connection.close();
    throw error;
  }
}
