/**
 * The client side of ACP: one agent process, driven over stdio. It offers the agent neither a file system nor a terminal
 * (the agent lives in the box and uses the box's own), answers what it does not know with -32601, and bounds every wait.
 */
import * as acp from "@agentclientprotocol/sdk/unstable";
import type { BackendEventBody, JsonValue } from "../../event/event.ts";
import { AbortError, BackendError } from "../../errors.ts";
import { onAbort, throwIfAborted } from "../../internal/abort.ts";
import { conversationGone, isSessionNotFound, toAgentError } from "./acp-errors.ts";
import { createAcpLineStream } from "./acp-line-stream.ts";
import type { AcpLimits, PermissionPolicy } from "./acp-options.ts";
import { DEFAULT_ACP_LIMITS } from "./acp-options.ts";
import { answerPermission } from "./acp-permission.ts";
import { AcpProcess } from "./acp-process.ts";
import type { CumulativeCost } from "./acp-turn-mapper.ts";
import { AcpTurnMapper } from "./acp-turn-mapper.ts";
import { SilenceWatch } from "./silence-watch.ts";

export interface AcpAgentOptions {
  readonly command: readonly string[];
  /** The agent's whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute; also the folder of every session. */
  readonly cwd: string;
  readonly model?: string;
  readonly mode?: string;
  readonly mcpServers?: readonly JsonValue[];
  readonly permissions?: PermissionPolicy;
  readonly limits?: Partial<AcpLimits>;
  readonly onStderr?: (text: string) => void;
  /** Hears what concerns no turn: updates between turns, lines that are not the protocol. */
  readonly onStray?: (name: string, data: JsonValue) => void;
}

/** How a turn ended that did not fail. */
export interface AcpTurnEnd {
  readonly stopReason: string;
}

export interface AcpPromptOptions {
  readonly signal?: AbortSignal;
  /** Called in order, never after the promise has settled. */
  readonly onEvent: (body: BackendEventBody) => void;
}

interface RunningTurn {
  readonly sessionId: string;
  readonly mapper: AcpTurnMapper;
  readonly emit: (body: BackendEventBody) => void;
}

/** A running agent. After any failure of the process it is of no more use: open another. */
export class AcpAgent {
  readonly info: acp.InitializeResponse;
  readonly #process: AcpProcess;
  readonly #connection: acp.ClientConnection;
  readonly #options: AcpAgentOptions;
  readonly #state: AgentState;
  readonly #costs = new Map<string, CumulativeCost>();

  /** Use {@link openAcpAgent}. */
  constructor(info: acp.InitializeResponse, process: AcpProcess, connection: acp.ClientConnection, options: AcpAgentOptions, state: AgentState) {
    this.info = info;
    this.#process = process;
    this.#connection = connection;
    this.#options = options;
    this.#state = state;
  }

  get hasEnded(): boolean {
    return this.#process.hasEnded || this.#state.failure !== undefined;
  }

  get canLoad(): boolean {
    return this.info.agentCapabilities?.loadSession === true || this.#can("resume");
  }

  get canList(): boolean {
    return this.#can("list");
  }

  /** A new conversation; resolves with the agent's own id of it. */
  async newSession(): Promise<string> {
    const response = await this.#request("start a conversation", "session/new", this.#sessionParams());
    await this.#configure(response.sessionId, response as unknown as SessionSettings);
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
      throw new BackendError("agent_cannot_load", "The agent offers neither session/load nor session/resume, so an earlier conversation cannot be gone on with in a new process.");
    }
    const method = resume ? "session/resume" : "session/load";
    this.#state.replaying = { sessionId, cost: this.#cost(sessionId) };
    try {
      const response = await this.#request("load the conversation", method, { sessionId, ...this.#sessionParams() });
      await this.#configure(sessionId, (response ?? {}) as unknown as SessionSettings);
    } catch (error) {
      throw isSessionNotFound((error as Error).cause) ? conversationGone(sessionId, error) : error;
    } finally {
      this.#state.replaying = undefined;
    }
  }

  /** True where the agent's own list holds the conversation. */
  async listsSession(sessionId: string): Promise<boolean> {
    let cursor: string | undefined;
    for (let page = 0; page < 100; page++) {
      const params = { cwd: this.#options.cwd, ...(cursor === undefined ? {} : { cursor }) };
      const response: acp.ListSessionsResponse = await this.#request("list its conversations", "session/list", params);
      if (response.sessions.some((session) => session.sessionId === sessionId)) return true;
      if (typeof response.nextCursor !== "string") return false;
      cursor = response.nextCursor;
    }
    return false;
  }

  /** Ends a conversation that nobody will come back to; an agent that cannot is left alone. */
  async closeSession(sessionId: string): Promise<void> {
    if (this.#can("close")) await this.#request("close the conversation", "session/close", { sessionId }).catch(() => {});
    this.#costs.delete(sessionId);
  }

  /**
   * Sends a prompt and resolves when the agent has ended its turn. One at a time.
   *
   * @throws AbortError when the signal fired; BackendError `agent_exited`, `agent_garbage`, `agent_silent`, `agent_refused`, `agent_failed`
   */
  async prompt(sessionId: string, text: string, options: AcpPromptOptions): Promise<AcpTurnEnd> {
    throwIfAborted(options.signal);
    if (this.#state.turn !== undefined) throw new BackendError("agent_failed", "The agent is in the middle of a turn; wait for it to end.");
    const mapper = new AcpTurnMapper(options.onEvent, this.#cost(sessionId));
    const turn: RunningTurn = { sessionId, mapper, emit: options.onEvent };
    this.#state.turn = turn;
    let killTimer: NodeJS.Timeout | undefined;
    const off = onAbort(options.signal, () => {
      this.#connection.agent.notify("session/cancel", { sessionId }).catch(() => {});
      // An agent that does not end its turn in time is killed: the box stays usable, the next prompt starts it again.
      killTimer = setTimeout(() => this.#process.signal("SIGKILL"), this.#limits.cancelMs);
    });
    try {
      const response = await this.#request("take the prompt", "session/prompt", { sessionId, prompt: [{ type: "text", text }] });
      mapper.answer(response as unknown as Record<string, unknown>);
      if (options.signal?.aborted || response.stopReason === "cancelled") throw new AbortError("The turn was cancelled.");
      if (response.stopReason === "refusal") throw new BackendError("agent_refused", "The agent refused to go on with this prompt; put it in another way, or ask another agent.");
      return { stopReason: response.stopReason };
    } catch (error) {
      if (options.signal?.aborted) throw new AbortError("The turn was cancelled.", { cause: error });
      throw error;
    } finally {
      clearTimeout(killTimer);
      off();
      mapper.close();
      this.#state.turn = undefined;
    }
  }

  /** Stops or continues the agent's processes, so that its files can be copied at rest. */
  pause(): void {
    this.#process.signal("SIGSTOP");
  }

  unpause(): void {
    this.#process.signal("SIGCONT");
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  async close(): Promise<void> {
    this.#connection.close();
    await this.#process.kill();
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

  get #limits(): AcpLimits {
    return { ...DEFAULT_ACP_LIMITS, ...this.#options.limits };
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
    if (mode !== undefined) await this.#request(`switch to the mode "${mode}"`, "session/set_mode", { sessionId, modeId: mode });
    if (model === undefined) return;
    const option = settings.configOptions?.find((candidate) => candidate.category === "model" || candidate.id === "model");
    if (option === undefined) {
      this.#options.onStray?.("agent.model_ignored", { model, reason: "The agent offers no choice of model." });
      return;
    }
    await this.#request(`switch to the model "${model}"`, "session/set_config_option", { sessionId, configId: option.id, value: model });
  }

  async #request<Method extends acp.AgentRequestMethod>(
    what: string,
    method: Method,
    params: acp.AgentRequestParamsByMethod[Method],
  ): Promise<acp.AgentRequestResponsesByMethod[Method]> {
    return requestInTime(this.#connection, this.#process, this.#state, what, method, params);
  }
}

interface SessionSettings {
  readonly configOptions?: readonly { readonly id: string; readonly category?: string | null }[] | null;
}

/** What the reader of stdout and the callers share. */
interface AgentState {
  turn: RunningTurn | undefined;
  replaying: { readonly sessionId: string; readonly cost: CumulativeCost } | undefined;
  /** Why the connection is of no more use. */
  failure: BackendError | undefined;
  readonly watch: SilenceWatch;
  fail(error: BackendError): void;
  readonly failed: Promise<BackendError>;
}

/** A request that ends when the agent answers, dies, talks nonsense or falls silent, whichever is first. */
async function requestInTime<Method extends acp.AgentRequestMethod>(
  connection: acp.ClientConnection,
  process: AcpProcess,
  state: AgentState,
  what: string,
  method: Method,
  params: acp.AgentRequestParamsByMethod[Method],
): Promise<acp.AgentRequestResponsesByMethod[Method]> {
  if (state.failure !== undefined) throw state.failure;
  state.watch.enter();
  try {
    const answer = connection.agent.request(method, params);
    answer.catch(() => {});
    // What the agent wrote comes before how it ended: an answer that is there wins over the exit that follows it.
    return await Promise.race([
      answer.catch(async (error: unknown) => {
        if (error instanceof acp.RequestError) throw toAgentError(error, what);
        throw await Promise.race([process.ended, state.failed]);
      }),
      state.failed.then((error) => Promise.reject(error)),
      process.ended.then(async (error) => {
        await new Promise((resolve) => setImmediate(resolve));
        throw state.failure ?? error;
      }),
    ]);
  } finally {
    state.watch.leave();
  }
}

/**
 * Starts an agent and greets it.
 *
 * @throws BackendError `agent_not_found`, `agent_exited`, `agent_garbage`, `agent_silent`, `agent_failed`
 */
export async function openAcpAgent(options: AcpAgentOptions): Promise<AcpAgent> {
  const limits: AcpLimits = { ...DEFAULT_ACP_LIMITS, ...options.limits };
  const process = new AcpProcess({
    command: options.command,
    env: options.env,
    cwd: options.cwd,
    ...(options.onStderr === undefined ? {} : { onStderr: options.onStderr }),
  });
  const state = createState(process, limits);
  const connection = connect(process, state, options, limits);
  try {
    const info = await requestInTime(connection, process, state, "initialize", "initialize", {
      protocolVersion: acp.PROTOCOL_VERSION,
      clientInfo: { name: "skein", version: "1" },
      clientCapabilities: {},
    });
    return new AcpAgent(info, process, connection, options, state);
  } catch (error) {
    connection.close();
    await process.kill();
    throw error;
  }
}

function createState(process: AcpProcess, limits: AcpLimits): AgentState {
  let reject: (error: BackendError) => void = () => {};
  const failed = new Promise<BackendError>((resolve) => (reject = resolve));
  const state: AgentState = {
    turn: undefined,
    replaying: undefined,
    failure: undefined,
    failed,
    fail(error) {
      if (state.failure !== undefined) return;
      state.failure = error;
      reject(error);
      process.signal("SIGKILL");
    },
    watch: new SilenceWatch(limits.silenceMs, () => {
      state.fail(new BackendError("agent_silent", `The agent gave no sign of life for ${limits.silenceMs / 1000} seconds and was ended; try again, or allow it more time (metadata.silenceMs of the profile).`));
    }),
  };
  return state;
}

function connect(process: AcpProcess, state: AgentState, options: AcpAgentOptions, limits: AcpLimits): acp.ClientConnection {
  let garbage = 0;
  let permissions = 0;
  const stray = (name: string, data: JsonValue): void => {
    if (state.turn === undefined) options.onStray?.(name, data);
    else state.turn.emit({ type: "custom", name, data });
  };
  const stream = createAcpLineStream(
    process,
    {
      onSign: () => state.watch.touch(),
      onUpdate: (sessionId, update) => {
        if (state.replaying?.sessionId === sessionId) {
          // The history is stored already, but the sum of its cost is where the agent goes on counting.
          const cost = update["cost"] as { amount?: unknown; currency?: unknown } | null | undefined;
          if (cost?.currency === "USD" && typeof cost.amount === "number") state.replaying.cost.costUsd = cost.amount;
        } else if (state.turn?.sessionId === sessionId) {
          state.turn.mapper.update(update);
        } else {
          options.onStray?.("acp.late_update", update as JsonValue);
        }
      },
      onGarbage: (line) => {
        garbage++;
        stray("agent.garbage", { line: line.slice(0, 200) });
        if (garbage > limits.garbageLines) {
          state.fail(new BackendError("agent_garbage", `The agent wrote ${garbage} lines that are not ACP to its stdout, the last one: ${line.slice(0, 200)}. Is this the command that starts its ACP mode?`));
        }
      },
      onTooLong: () => {
        state.fail(new BackendError("agent_garbage", `The agent wrote a line of more than ${limits.lineBytes} bytes to its stdout.`));
      },
    },
    limits.lineBytes,
  );
  return acp
    .client({ name: "skein" })
    .onRequest("session/request_permission", ({ params }) => {
      const emit = state.turn?.emit ?? (() => {});
      return answerPermission(params, options.permissions ?? "allow", `permission-${++permissions}`, emit);
    })
    .onNotification("*", ({ params, method }: { params: unknown; method?: string }) => {
      stray(`acp.${method ?? "notification"}`, (params ?? null) as JsonValue);
    })
    .connect(stream);
}
