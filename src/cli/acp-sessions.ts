import { acpInvalidParams, acpSessionNotFound } from "../agent/acp/index.ts";
import type { McpServer } from "../agent/mcp-servers.ts";
import { createId } from "../internal/ids.ts";
import type { Runtime } from "../runtime/open-runtime.ts";
import type { RuntimeSandbox } from "../runtime/open-sandbox.ts";
import { listWorkspaceFiles } from "../runtime/workspace-files.ts";
import type { BoxGateway } from "../sandbox/box-gateway.ts";
import { createModelGateway } from "../sandbox/gateway/index.ts";
import type { Box, CreateBoxOptions } from "../sandbox/sandbox.ts";
import type { ChosenAgent } from "./to-agent.ts";

/** Names the session that a box works for, so that a later process finds it. */
const LABEL = "skein.acp";
/** Names the MCP servers that a box's agent was given, which it keeps as long as the box lives. */
const SERVERS_LABEL = "skein.acp.mcp";

/** What an editor said of a session when it opened it. */
interface Opened {
  readonly cwd: string;
  readonly agent: ChosenAgent;
}

/** The sessions that an editor has opened, each with the folder that its box has a copy of. */
export class AcpSessions {
  readonly #runtime: Runtime;
  readonly #client: RuntimeSandbox;
  readonly #box: Omit<CreateBoxOptions, "profile">;
  readonly #ways: WaysOut;
  readonly #opened = new Map<string, Opened>();
  readonly #boxes = new Map<string, Box>();

  static async open(runtime: Runtime, box: Omit<CreateBoxOptions, "profile">): Promise<AcpSessions> {
    const ways = new WaysOut();
    return new AcpSessions(runtime, await runtime.openSandbox(undefined, ways), box, ways);
  }

  private constructor(runtime: Runtime, client: RuntimeSandbox, box: Omit<CreateBoxOptions, "profile">, ways: WaysOut) {
    this.#runtime = runtime;
    this.#client = client;
    this.#box = box;
    this.#ways = ways;
  }

  begin(cwd: string, agent: ChosenAgent): string {
    const sessionId = createId("run");
    this.#opened.set(sessionId, { cwd, agent });
    return sessionId;
  }

  /** A session of the log is opened again; the box that it may have keeps the servers that it was made with. */
  async remember(sessionId: string, cwd: string, agent: ChosenAgent): Promise<void> {
    if ((await this.#runtime.store.get(sessionId)) === undefined) throw acpSessionNotFound(sessionId);
    const wanted = nameServers(agent.profile.mcpServers);
    for (const { id, labels } of await this.#client.list({ [LABEL]: sessionId })) {
      const had = labels[SERVERS_LABEL] ?? "";
      if (had !== wanted)
        throw acpInvalidParams(
          `The box of this session was made with ${had === "" ? "no MCP servers" : `the MCP servers ${had}`}, and its agent keeps those. Open it with the same, begin a new session, or remove the box (skein boxes rm ${id}).`,
        );
    }
    this.#opened.set(sessionId, { cwd, agent });
  }

  /** The session's box: the one that it has, else the one that an earlier process left, else a new one with a copy of the folder. */
  async open(
    sessionId: string,
    signal: AbortSignal,
  ): Promise<
    { readonly box: Box; readonly isStored: boolean; readonly labels: Record<string, string> } & Pick<
      ChosenAgent,
      "secrets"
    >
  > {
    const opened = this.#opened.get(sessionId);
    if (opened === undefined) throw acpSessionNotFound(sessionId);
    const { cwd: workspace, agent } = opened;
    const isStored = (await this.#runtime.store.get(sessionId)) !== undefined;
    const known = this.#boxes.get(sessionId) ?? (isStored ? await this.#find(sessionId, agent.gateway) : undefined);
    const { profile, gateway } = agent;
    const box =
      known ??
      (await this.#client.create({
        ...this.#box,
        profile,
        ...(gateway === undefined ? {} : { gateway }),
        name: `${profile.name} for an editor`,
        labels: { [LABEL]: sessionId, [SERVERS_LABEL]: nameServers(profile.mcpServers) },
        files: await listWorkspaceFiles(workspace, { leaveOut: [this.#runtime.directory] }),
        signal,
      }));
    this.#boxes.set(sessionId, box);
    return { box, isStored, labels: { workspace }, secrets: agent.secrets };
  }

  async #find(sessionId: string, gateway: BoxGateway | undefined): Promise<Box | undefined> {
    for (const { id } of await this.#client.list({ [LABEL]: sessionId })) {
      this.#ways.set(id, gateway);
      const box = await this.#client.attach(id);
      if (box !== null) return box;
    }
    return undefined;
  }
}

/** The same servers give the same text in whichever order. */
function nameServers(servers: readonly McpServer[] = []): string {
  return servers
    .map(({ type, name }) => (type === "gateway" ? `${name} (outside)` : name))
    .toSorted()
    .join(", ");
}

/** The gateway of the client: a box that is found again has that of the session that it works for. */
class WaysOut implements BoxGateway {
  readonly upstreams = [];
  readonly isProxy = false;
  /** Of boxes whose agents need no way out. */
  readonly #nowhere = createModelGateway({ upstreams: [] });
  readonly #given = new Map<string, BoxGateway>();

  set(boxId: string, gateway: BoxGateway | undefined): void {
    if (gateway !== undefined) this.#given.set(boxId, gateway);
  }

  openBox(box: Parameters<BoxGateway["openBox"]>[0]): ReturnType<BoxGateway["openBox"]> {
    return (this.#given.get(box.id) ?? this.#nowhere).openBox(box);
  }
}
