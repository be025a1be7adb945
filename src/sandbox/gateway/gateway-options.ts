import type { ModelPrices } from "../../event/model-price.ts";
import type { ModelApi } from "../box-gateway.ts";

/**
 * A place where models are.
 *
 * @experimental
 */
export interface GatewayUpstream {
  /** The first part of the path by which a box reaches it: lower-case letters, digits and `-`. Default: its `api`. */
  readonly name?: string;
  readonly api: ModelApi;
  /** Default: the provider's own. What follows the name in a request's path is put behind it. */
  readonly baseUrl?: string;
  /** Held in this process's memory alone. Absent: none is added. */
  readonly key?: string;
  /** Further headers of each request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * What all calls through one gateway may take together.
 *
 * @experimental
 */
export interface GatewayBudget {
  readonly maxCostUsd?: number;
  readonly maxTokens?: number;
}

/**
 * A server of the Model Context Protocol outside, spoken to over HTTP.
 *
 * @experimental
 */
export interface GatewayMcpServer {
  /** By which a profile names it: letters, digits, `-` and `_`. */
  readonly name: string;
  readonly url: string;
  /** Added to each request here, so that no box sees them. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** @experimental */
export interface ModelGatewayOptions {
  readonly upstreams: readonly GatewayUpstream[];
  /** Hosts beside the models that a box may reach, as `name` (ports 80 and 443) or `name:port`; `*.name` is everything below a name. Default: none. */
  readonly allowHosts?: readonly string[];
  /** MCP servers that boxes may reach; a box's agent is given those that its profile names (`{ type: "gateway", name }`). Default: none. */
  readonly mcpServers?: readonly GatewayMcpServer[];
  /** Without a price the cost is unknown, unless the provider reports it. The prices of a box's profile stand over these. */
  readonly prices?: ModelPrices;
  /** Looked at before each call (K11). */
  readonly budget?: GatewayBudget;
  /** What was spent before, by earlier runs of the same work: it counts towards the budget. */
  readonly spent?: { readonly inputTokens?: number; readonly outputTokens?: number; readonly costUsd?: number };
  /** Ends what is under way and refuses every further call. */
  readonly signal?: AbortSignal;
  /** Milliseconds without a byte of an upstream until the call is given up. Default 600,000. */
  readonly idleMs?: number;
}
