/**
 * What boxd and its client say to each other: HTTP over a Unix socket, JSON bodies, and one NDJSON stream for the events of a turn.
 *
 * | request | answer |
 * |---|---|
 * | `GET /health` | {@link BoxHealth}; with `?silent=1` it does not count as having heard of a client |
 * | `POST /turns` {@link TurnRequest} | 202 {@link TurnAccepted}; a turn id that is known is not a second prompt |
 * | `GET /turns/ID/events?after=N` | the turn's events from N + 1, one line each, as they come; the last line is `{ end }` with {@link TurnEnd} |
 * | `POST /turns/ID/acknowledge` `{ through }` | 204; an ended turn that is acknowledged to its end is forgotten, but for its id |
 * | `POST /turns/ID/cancel` | 204 |
 * | `POST /permissions` `{ requestId, optionId?, by }` | 204; a person's answer to an agent's question |
 * | `GET /agent` | `AgentDescription`, from the agent's own greeting; one that does not run is started |
 * | `GET /conversations/ID` | `SessionInfo` or null, after asking the agent |
 * | `POST /exec` {@link ExecRequest} | `ExecResult`; closing the connection kills the command |
 * | `GET`, `PUT /files?path=P` | the bytes; 204 |
 * | `POST /rest` | 204 where no turn runs or waits: the box may be frozen once the line is closed |
 * | `POST /identity` {@link BoxIdentity} | 204; the box was woken from a checkpoint and is another one now |
 * | `GET /gateway` with `upgrade: skein-gateway` | 101, then a line that waits for a connection of the box to its gateway: it begins with one byte when it is taken |
 * | `GET /quiesce` | `{"quiet":true}` and then an open connection: the box is at rest until it is closed |
 *
 * A failure is a status of 400 or more with {@link FailureBody}.
 */
import type { AgentProfile } from "../../agent/agent.ts";
import type { ErrorCode } from "../../errors.ts";
import type { BoxGatewayAddress } from "../box-gateway.ts";

export const BOXD_PROTOCOL = 1;
export const SOCKET_NAME = "box.sock";
export const CONFIG_NAME = "boxd.json";
/** Names the box in the environment of everything that runs in it. */
export const BOX_ID_VARIABLE = "SKEIN_BOX_ID";
export const GATEWAY_PROTOCOL = "skein-gateway";
/** The first byte of a line that is in use. */
export const GATEWAY_TAKEN = "\u0001";
/** What Skein keeps in a box's home, so that it travels with a fork. */
export const STATE_FOLDER = ".skein";

/** How a box is started: the file that boxd is given. It holds the agent's environment, so it is readable by its owner only. */
export interface BoxdConfig {
  readonly boxId: string;
  readonly version: string;
  readonly contained: boolean;
  /** Absolute, as they are named where boxd runs. */
  readonly workspace: string;
  readonly home: string;
  readonly run: string;
  readonly claimMs: number;
  readonly profile: AgentProfile;
  /** The whole environment of the agent and of commands. */
  readonly env: Record<string, string>;
  /** `eager`: the agent is started with the box, so that it is ready sooner. `lazy`: by the first prompt. */
  readonly agentStart: "eager" | "lazy";
  /** Where the agent's package is installed, as it is named where boxd runs; absent: it is looked for on the PATH. */
  readonly agentFolder?: string;
  /** Where the box reaches its gateway; absent: it has none. */
  readonly gateway?: BoxGatewayAddress;
  /** What workspace, home and run may hold together; absent: there is no limit, or something else keeps it. */
  readonly diskMb?: number;
  /** What a contained box as a whole may hold, where no control group keeps it; absent: something else does, or there is no limit. */
  readonly measured?: { readonly memoryMb?: number; readonly pids?: number; readonly cpu?: number };
  /** Whether the rest of the box's files can be written to as well, on the same disk; what it changes there counts too. */
  readonly ownsRoot?: boolean;
}

export interface BoxHealth {
  readonly protocol: number;
  readonly version: string;
  readonly boxId: string;
  readonly contained: boolean;
  readonly claimMs: number;
  /** Since a client was heard. */
  readonly idleMs: number;
  /** The turn that is running. */
  readonly turnId?: string;
}

/** Who a box is that was woken as a fork: what it had from its parent is not its own. */
export interface BoxIdentity {
  readonly boxId: string;
}

export interface TurnRequest {
  readonly turnId: string;
  readonly conversationId?: string;
  readonly prompt: string;
}

export interface TurnAccepted {
  readonly known: boolean;
  /** Events up to here were acknowledged by an earlier client. */
  readonly acknowledged: number;
}

export type TurnStatus = "completed" | "failed" | "cancelled";

export interface TurnEnd {
  readonly status: TurnStatus;
  readonly error?: FailureDetail;
}

export interface ExecRequest {
  readonly command: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly maxOutputBytes?: number;
}

export interface FailureDetail {
  readonly code: ErrorCode;
  readonly message: string;
}

export interface FailureBody {
  readonly error: FailureDetail;
}

/** Bounds of what either side takes from the other. */
export const BOXD_LIMITS = {
  /** A prompt or a request in JSON. */
  requestBytes: 32 * 1024 * 1024,
  /** A file through the files API. */
  fileBytes: 256 * 1024 * 1024,
  /** One event in JSON. */
  eventBytes: 64 * 1024 * 1024,
  /** The events of one turn, on disk; a turn that says more is ended. */
  turnBytes: 512 * 1024 * 1024,
  /** An answer in JSON that is not of a command. */
  answerBytes: 1024 * 1024,
  commandOutputBytes: 10 * 1024 * 1024,
  commandTimeoutMs: 600_000,
  messageLength: 4096,
} as const;
