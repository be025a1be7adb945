import type { Duplex } from "node:stream";
import type { BackendEventBody, Usage } from "../event/event.ts";
import type { ModelPrices } from "../event/model-price.ts";

/**
 * The one door out of a box that has no network. It stands on the host: processes in the box speak HTTP to a port of their own loopback, boxd passes
 * the connection out, and the gateway decides what it may reach. Keys stay on this side; a box is given a placeholder.
 */
export interface BoxGateway {
  /** What models can be reached, and how each is spoken to: a box is told where they are (`http://127.0.0.1:PORT/NAME`). */
  readonly upstreams: readonly GatewayUpstreamInfo[];
  /** True where hosts beside the models are allowed: the box is told to use the door as its HTTP proxy. */
  readonly isProxy: boolean;
  /** Names of MCP servers that a box may reach: it is told to find them at `http://127.0.0.1:PORT/mcp/NAME`. Default: none. */
  readonly mcpServers?: readonly string[];
  /** Begins to serve a box. A provider calls it once for each box that it holds, and again after `close`. */
  openBox(box: GatewayBox): GatewayLine;
}

/** How a model is spoken to: OpenAI (chat completions and responses), Anthropic messages, Gemini. */
export type ModelApi = "openai" | "anthropic" | "gemini";

export interface GatewayUpstreamInfo {
  readonly name: string;
  readonly api: ModelApi;
}

export interface GatewayBox {
  readonly id: string;
  /** What a request must carry as its key; absent where only the box itself can reach the door. */
  readonly token?: string;
  /** What models cost it; for those that are not named the gateway's own prices hold. */
  readonly prices?: ModelPrices;
}

/** A box's door, and what it is opened with. */
export interface BoxDoor extends Omit<GatewayBox, "id"> {
  readonly door: BoxGateway;
}

/** The gateway's side of one box. */
export interface GatewayLine {
  /** Serves a connection that a process of the box opened. */
  accept(connection: Duplex): void;
  /** A turn begins: calls are let through again, as far as its allowance goes, and what failed before is forgotten. */
  beginTurn(allowance?: CallAllowance): void;
  /** Ends the calls that are under way and refuses others until the next turn (the abort). */
  refuseCalls(): void;
  /** What was metered or went wrong since it was taken last. */
  take(): readonly BackendEventBody[];
  /** Called once when there is something to take, at once if there is; in place of an earlier listener. */
  onNews(listener: () => void): void;
  /** Why the last model call of this turn failed; undefined where it did not, or there was none. */
  failure(): Error | undefined;
  /** Closes connections on which nothing is under way, so that the box can be checkpointed. */
  closeIdle(): void;
  close(): void;
}

/**
 * What the model calls of a turn are held to, by whoever asked for the turn: a gateway asks before each call, and tells what each took. A box without a
 * gateway knows nothing of its agent's calls, so there it has no effect.
 */
export interface CallAllowance {
  /** Why no further call may be made; undefined: one may. */
  refusal(): Error | undefined;
  /** A call has ended. @param isWhole it came to its end, so that what is missing now was never told */
  spend(usage: Usage, isWhole: boolean): void;
}

/** What a box is told about its gateway. It holds no secret of the host's. */
export interface BoxGatewayAddress {
  readonly port: number;
  /** The placeholder that stands where a program wants a key. */
  readonly token: string;
  readonly upstreams: readonly GatewayUpstreamInfo[];
  readonly isProxy: boolean;
  readonly mcpServers?: readonly string[];
}
