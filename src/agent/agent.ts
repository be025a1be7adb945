import type { JsonValue } from "../event/event.ts";
import type { ModelPrices } from "../event/model-price.ts";
import type { McpServer } from "./mcp-servers.ts";
import type { PermissionRules } from "./permission-rules.ts";

/**
 * Which agent a box starts, opaque to the kernel: only a provider's boxd reads it.
 */
export interface AgentProfile {
  /** For people, and for `iteration.agentRunName` where a spec has no name of its own. */
  readonly name: string;
  /** The name of a preset (`repair`), or any command that speaks ACP over stdio. Default `repair`. */
  readonly agent?: string | AgentCommand;
  readonly model?: string;
  readonly mode?: string;
  /**
   * What to do when the agent asks whether it may do something. `allow`, the default: what the box allows is allowed. `deny`: no.
   * `ask`: the turn waits for `Box.answer`, for at most 10 minutes (`metadata.permissionMs`), and then it is no. One for all, or by kind of tool.
   */
  readonly permissions?: PermissionRules;
  /** What its models cost, where a gateway meters them. Without a price the cost stays unknown, unless the provider reports it. */
  readonly prices?: ModelPrices;
  /** Servers whose tools the agent is given, in the box or behind its gateway. */
  readonly mcpServers?: readonly McpServer[];
  readonly metadata?: { readonly [name: string]: JsonValue };
}

export interface AgentCommand {
  /** Program and arguments, as they are named inside the box. */
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * What an agent says of itself when it is greeted.
 *
 * @experimental
 */
export interface AgentDescription {
  readonly name?: string;
  readonly version?: string;
  /** What it offers, in the protocol's words: `load`, `resume`, `list`, `fork`, `close`, `delete`, `http` and `sse` (MCP servers). */
  readonly can: readonly string[];
}

/** What an agent remembers, as it says itself. */
export interface SessionInfo {
  /** The conversation's id, the lineage's own. */
  readonly id: string;
  /** The agent's id of the same conversation. */
  readonly agentSessionId?: string;
  /** Turns that were ended in it, where known. */
  readonly turns?: number;
}
