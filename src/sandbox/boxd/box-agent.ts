import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { AcpProcess } from "../../agent/acp/acp-process.ts";
import type { AcpAgent, AcpLimits, PermissionAnswer, PermissionRules } from "../../agent/acp/index.ts";
import type { AgentDescription, AgentProfile, SessionInfo } from "../../agent/agent.ts";
import type { AgentStart } from "../../agent/coding-agents.ts";
import { toAcpMcpServers } from "../../agent/mcp-servers.ts";
import { resolveAgent } from "../../agent/presets.ts";
import type { BackendEventBody, JsonValue } from "../../event/event.ts";
import { isAbortError, SkeinError, ValidationError } from "../../errors.ts";
import { raceAbort } from "../../internal/abort.ts";
import type { BoxdConfig } from "./protocol.ts";
import { STATE_FOLDER } from "./protocol.ts";

/** What is kept of a conversation. The agent's memory is the agent's; this only says under which name it has it. */
interface Conversation {
  readonly agentSessionId: string;
  turns: number;
  /** The agent's running sum, so that a new process of it is not billed from zero again. */
  costUsd: number;
}

export interface AgentTurnOptions {
  readonly turnId: string;
  readonly conversationId?: string;
  readonly signal: AbortSignal;
  readonly onEvent: (body: BackendEventBody) => void;
}

/**
 * The agent of this box: started when needed, started again after it died, and the map from the lineage's conversation ids to the
 * agent's own. The map lies in the box's home, so the boxd of a fork finds it and loads the same conversation in the copy.
 */
export class BoxAgent {
  readonly #config: BoxdConfig;
  readonly #log: (text: string) => void;
  readonly #file: string;
  readonly #conversations: Map<string, Conversation>;
  #opening: Promise<AcpAgent> | undefined;
  #agent: AcpAgent | undefined;
  /** The agent's sessions that this process of it has in hand. */
  #attached = new Set<string>();

  constructor(config: BoxdConfig, log: (text: string) => void) {
    this.#config = config;
    this.#log = log;
    const folder = join(config.home, STATE_FOLDER);
    mkdirSync(folder, { recursive: true });
    this.#file = join(folder, "conversations.json");
    this.#conversations = readConversations(this.#file);
  }

  /** Starts the agent in the background; a failure is told by the next prompt. */
  start(): void {
    this.#open().catch((error: unknown) => this.#log(`agent: ${String(error)}\n`));
  }

  async prompt(text: string, options: AgentTurnOptions): Promise<void> {
    const { conversationId, signal, onEvent } = options;
    const agent = await raceAbort(this.#open(), signal);
    const known = conversationId === undefined ? undefined : this.#conversations.get(conversationId);
    const conversation = await raceAbort(
      known === undefined ? this.#begin(agent, conversationId) : this.#attach(agent, known),
      signal,
    );
    const { agentSessionId } = conversation;
    try {
      await agent.prompt(agentSessionId, text, { signal, onEvent, name: options.turnId });
    } finally {
      conversation.turns++;
      conversation.costUsd = agent.costOf(agentSessionId);
      if (conversationId !== undefined) this.#save();
      else if (!agent.hasEnded) void agent.closeSession(agentSessionId);
    }
  }

  /** What the agent says of itself; one that does not run is started. @throws BackendError where it cannot be greeted */
  async describe(): Promise<AgentDescription> {
    return (await this.#open()).describe();
  }

  /**
   * What the agent itself knows of a conversation; null: nothing.
   * @throws BackendError where the agent cannot be asked
   */
  async status(conversationId: string): Promise<SessionInfo | null> {
    const conversation = this.#conversations.get(conversationId);
    if (conversation === undefined) return null;
    const agent = await this.#open();
    const info: SessionInfo = {
      id: conversationId,
      agentSessionId: conversation.agentSessionId,
      turns: conversation.turns,
    };
    if (agent.canList && (await agent.listsSession(conversation.agentSessionId))) return info;
    // Not every agent lists what it has in hand, so absence from the list proves nothing: it is asked to load.
    if (!agent.canLoad) return this.#attached.has(conversation.agentSessionId) ? info : null;
    try {
      await agent.loadSession(conversation.agentSessionId);
      this.#attached.add(conversation.agentSessionId);
      return info;
    } catch (error) {
      if (SkeinError.is(error) && error.code === "conversation_gone") return null;
      throw error;
    }
  }

  /** The conversation is running right now, so the agent knows it. */
  runningInfo(conversationId: string): SessionInfo | null {
    const conversation = this.#conversations.get(conversationId);
    return conversation === undefined
      ? null
      : { id: conversationId, agentSessionId: conversation.agentSessionId, turns: conversation.turns };
  }

  /** @throws ValidationError `permission_unknown`, `invalid_option` */
  answer(requestId: string, answer: PermissionAnswer): void {
    if (this.#agent === undefined)
      throw new ValidationError("permission_unknown", "The agent of this box has asked nothing.");
    this.#agent.answer(requestId, answer);
  }

  /** Lets nothing in the agent's process group run while its files are copied; gives back what lets it go on. */
  freeze(): () => void {
    const agent = this.#agent;
    agent?.pause();
    return () => agent?.unpause();
  }

  async close(): Promise<void> {
    await this.#agent?.close();
  }

  #open(): Promise<AcpAgent> {
    if (this.#agent !== undefined && !this.#agent.hasEnded) return Promise.resolve(this.#agent);
    this.#opening ??= this.#start().finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  async #start(): Promise<AcpAgent> {
    const { profile, home, agentFolder, gateway, contained } = this.#config;
    const permissions = readPermissions(profile);
    const resolved = resolveAgent(profile, {
      home,
      mayDoAll: permissions === "allow" && contained,
      ...(agentFolder === undefined ? {} : { folder: agentFolder }),
      ...(gateway === undefined ? {} : { gateway }),
      ...(profile.model === undefined ? {} : { model: profile.model }),
    });
    writeSettings(home, resolved.files ?? []);
    const mode = profile.mode ?? resolved.mode;
    // What the box was given by its owner stands over what an agent is started with by default.
    const env = { ...resolved.env, ...this.#config.env };
    const start = { command: resolved.command, env, cwd: this.#config.workspace, onStderr: this.#log };
    // The agent starts while the SDK is loaded, which takes longer than anything else that boxd does.
    const process = new AcpProcess(start);
    const { openAcpAgent } = await import("../../agent/acp/index.ts");
    const agent = await openAcpAgent({
      ...start,
      process,
      limits: readLimits(profile.metadata, this.#config.env),
      permissions,
      ...(profile.model === undefined || resolved.choosesModel === true ? {} : { model: profile.model }),
      ...(mode === undefined ? {} : { mode }),
      ...(profile.mcpServers === undefined ? {} : { mcpServers: toAcpMcpServers(profile.mcpServers, gateway) }),
      onStray: (name, data) => this.#log(`${name} ${JSON.stringify(data)}\n`),
    });
    this.#agent = agent;
    this.#attached = new Set();
    return agent;
  }

  async #begin(agent: AcpAgent, conversationId: string | undefined): Promise<Conversation> {
    const conversation: Conversation = { agentSessionId: await agent.newSession(), turns: 0, costUsd: 0 };
    this.#attached.add(conversation.agentSessionId);
    if (conversationId !== undefined) {
      this.#conversations.set(conversationId, conversation);
      this.#save();
    }
    return conversation;
  }

  async #attach(agent: AcpAgent, conversation: Conversation): Promise<Conversation> {
    if (this.#attached.has(conversation.agentSessionId)) return conversation;
    agent.setCost(conversation.agentSessionId, conversation.costUsd);
    await agent.loadSession(conversation.agentSessionId);
    this.#attached.add(conversation.agentSessionId);
    return conversation;
  }

  #save(): void {
    const temporary = `${this.#file}.new`;
    writeFileSync(temporary, JSON.stringify(Object.fromEntries(this.#conversations)));
    renameSync(temporary, this.#file);
  }
}

function readPermissions({ permissions, metadata }: AgentProfile): PermissionRules {
  return permissions ?? (metadata?.["permissions"] === "deny" ? "deny" : "allow");
}

/** An agent's settings are the box's own files, so nothing of the host's is written over. */
function writeSettings(home: string, files: NonNullable<AgentStart["files"]>): void {
  for (const { path, text } of files) {
    const target = join(home, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
}

/** True for an end that is a cancel and not a failure. */
export function isCancel(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted || isAbortError(error);
}

function readConversations(file: string): Map<string, Conversation> {
  try {
    return new Map(Object.entries(JSON.parse(readFileSync(file, "utf8")) as Record<string, Conversation>));
  } catch {
    return new Map();
  }
}

/** `metadata.silenceMs` and `metadata.cancelMs` of the profile, or `SKEIN_AGENT_SILENCE_MS` of the environment. */
function readLimits(
  metadata: { readonly [name: string]: JsonValue } | undefined,
  env: Readonly<Record<string, string>>,
): Partial<AcpLimits> {
  const read = (value: unknown): number | undefined => {
    const number = Number(value);
    return Number.isFinite(number) && number > 0 ? number : undefined;
  };
  const silenceMs = read(metadata?.["silenceMs"]) ?? read(env["SKEIN_AGENT_SILENCE_MS"]);
  const cancelMs = read(metadata?.["cancelMs"]);
  const permissionMs = read(metadata?.["permissionMs"]);
  return {
    ...(silenceMs === undefined ? {} : { silenceMs }),
    ...(cancelMs === undefined ? {} : { cancelMs }),
    ...(permissionMs === undefined ? {} : { permissionMs }),
  };
}
