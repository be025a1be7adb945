/**
 * The vocabulary: one envelope and one union of bodies, discriminated by `type`.
 * Pure types, no imports but types: this file is safe in a browser.
 */

/** What JSON can say. Everything in an event is of this kind. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** How a run ended. */
export type RunStatus = "completed" | "failed" | "aborted" | "interrupted";

/** A failure as it is stored: plain JSON, without secrets, `body` at most 2 KiB. */
export interface ErrorDetail {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly kind: "transport" | "backend" | "sandbox" | "store" | "validation";
  readonly retryable?: boolean;
  /** HTTP status, where the failure was an HTTP answer. */
  readonly status?: number;
  /** What the other side answered, cut to 2 KiB. */
  readonly body?: string;
  readonly stack?: string;
  readonly cause?: ErrorDetail;
}

/** Tokens and money. A field that nobody reported is absent, never 0 (L10). */
export interface Usage {
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  /** Of the input tokens, those that were read from a cache. */
  readonly cachedTokens?: number;
  /** US dollars. */
  readonly costUsd?: number;
}

/** Which turn of a box an event came from. `seq` counts from 1 within the turn. */
export interface TurnMark {
  readonly id: string;
  readonly seq: number;
  /**
   * Present where the redactor held back the end of this delta: how many characters of its text are stored by this event and
   * those before it. A reader that resumes the turn asks for `seq` again and drops as many.
   */
  readonly offset?: number;
}

/** Bytes that stand beside the log under the hash of their content. */
export interface BlobRef {
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

export type ToolKind =
  | "read"
  | "edit"
  | "delete"
  | "move"
  | "search"
  | "execute"
  | "think"
  | "fetch"
  | "switch_mode"
  | "other";

export type ToolStatus = "completed" | "failed" | "interrupted" | "cancelled";

export interface PlanEntry {
  readonly content: string;
  readonly status: "pending" | "in_progress" | "completed";
  readonly priority?: "high" | "medium" | "low";
}

export interface PermissionOption {
  readonly optionId: string;
  readonly name: string;
  readonly kind?: "allow_once" | "allow_always" | "reject_once" | "reject_always";
}

export interface RunStartedBody {
  readonly type: "run.started";
  readonly kind: "task" | "loop";
  readonly task: JsonValue;
  /** The session, run and iteration on whose behalf this run works. */
  readonly parent?: { readonly sessionId: string; readonly runId?: string; readonly iteration?: number };
  /** The interrupted run of this session that this one goes on from. */
  readonly continues?: string;
}

export interface FinalBody {
  readonly type: "final";
  readonly status: RunStatus;
  /** One word for a program, such as `completed`, `backend_failed`, `no_valid_output`, `consumer_left`. */
  readonly reason: string;
  /** The agent's last message: its text since the last tool call, at most 64 KiB of UTF-8, cut from the front. */
  readonly text?: string;
  readonly textTruncated?: true;
  readonly error?: ErrorDetail;
  /** Clean-up failures, beside the error and never in its place. */
  readonly suppressed?: readonly ErrorDetail[];
  readonly usage: Usage;
  readonly durationMs: number;
}

export interface LoopLimits {
  readonly maxIterations: number;
  readonly maxConcurrency: number;
  readonly budget?: { readonly maxCostUsd?: number; readonly maxTokens?: number; readonly maxDurationMs?: number };
  readonly lineage?: {
    readonly sessionContinuity?: boolean;
    readonly forkFanout?: boolean | "memory";
    readonly checkpoints?: "when-forked" | "every-round";
    readonly checkpointsTravel?: boolean;
  };
}

/** How a branch got its box. */
export type ForkMode = "memory" | "files" | "fresh";

/** The bodies that every backend may yield. */
export type BackendEventBody =
  | { readonly type: "text.delta"; readonly text: string }
  | { readonly type: "reasoning.delta"; readonly text: string }
  | {
      readonly type: "tool.started";
      readonly toolCallId: string;
      readonly toolName: string;
      readonly title?: string;
      readonly kind?: ToolKind;
      readonly args?: JsonValue;
    }
  | {
      readonly type: "tool.ended";
      readonly toolCallId: string;
      readonly toolName: string;
      readonly status: ToolStatus;
      readonly result?: JsonValue;
    }
  | { readonly type: "plan.updated"; readonly entries: readonly PlanEntry[] }
  | {
      readonly type: "permission.requested";
      readonly requestId: string;
      readonly toolCallId?: string;
      readonly title: string;
      readonly options: readonly PermissionOption[];
    }
  | {
      readonly type: "permission.answered";
      readonly requestId: string;
      /** Absent: the request was cancelled. */
      readonly optionId?: string;
      readonly by: string;
    }
  | ({ readonly type: "usage.reported"; readonly model?: string } & Usage)
  | {
      readonly type: "artifact.created";
      readonly name: string;
      readonly mimeType?: string;
      readonly uri?: string;
      readonly content?: string;
      readonly blob?: BlobRef;
    }
  | { readonly type: "custom"; readonly name: string; readonly data: JsonValue };

/** The bodies that only the stream writes. A backend that yields one fails with `event_reserved`. */
export type StreamEventBody =
  | RunStartedBody
  | { readonly type: "session.created"; readonly backend: string; readonly resumeToken?: string }
  | { readonly type: "session.resumed"; readonly backend: string; readonly resumeToken?: string }
  | { readonly type: "backend.started"; readonly backend: string }
  | { readonly type: "backend.ended"; readonly backend: string }
  | { readonly type: "backend.failed"; readonly backend: string; readonly error?: ErrorDetail }
  | FinalBody;

/** The bodies that only the loop's kernel and lineage write. */
export type LoopEventBody =
  | ({
      readonly type: "loop.started";
      readonly driver: string;
      readonly agentRunNames: readonly string[];
      readonly fingerprint: string;
    } & LoopLimits)
  | {
      readonly type: "round.planned";
      readonly round: number;
      readonly tasks: readonly JsonValue[];
      readonly parentIndex?: number | readonly number[];
      /** How many planned tasks did not fit the budget of iterations. */
      readonly cut?: number;
      readonly keep?: readonly number[];
      /** Absent: `all`. */
      readonly endWhen?: "first-valid";
      readonly rationale?: string;
    }
  | {
      readonly type: "iteration.started";
      readonly index: number;
      readonly round: number;
      /** The session that holds the iteration's own events; the envelope's `sessionId` is the loop's. */
      readonly iterationSessionId: string;
      readonly agentRunName: string;
      readonly parentIndex?: number;
      readonly boxId?: string;
      readonly turnId?: string;
      /** Where it is not the first attempt: how a resumed loop goes on with it. */
      readonly reason?: string;
    }
  | {
      readonly type: "iteration.ended";
      readonly index: number;
      readonly status: RunStatus;
      readonly error?: ErrorDetail;
      readonly usage: Usage;
    }
  | {
      readonly type: "verdict.given";
      readonly index: number;
      readonly valid: boolean;
      readonly score: number;
      readonly scores?: { readonly [name: string]: number };
      readonly notes?: string;
    }
  | { readonly type: "decision.made"; readonly round: number; readonly decision: JsonValue }
  | {
      readonly type: "box.created";
      readonly boxId: string;
      readonly index?: number;
      /** What the agent in it will remember; absent in an independent sample. */
      readonly conversationId?: string;
      readonly reason?: string;
    }
  | {
      readonly type: "box.continued";
      readonly boxId: string;
      readonly index?: number;
      readonly from?: number;
      readonly reason?: string;
    }
  | {
      readonly type: "box.forked";
      readonly boxId: string;
      /** The box that was forked; absent where the branch had to start fresh without one. */
      readonly from?: string;
      readonly mode: ForkMode;
      readonly index?: number;
      /** The parent's, except in a fresh box. */
      readonly conversationId?: string;
      readonly reason?: string;
    }
  | { readonly type: "box.deleted"; readonly boxId: string; readonly reason?: string }
  | {
      readonly type: "box.delete-failed";
      readonly boxId: string;
      readonly error?: ErrorDetail;
      readonly reason?: string;
    }
  | {
      readonly type: "checkpoint.created";
      readonly checkpointId: string;
      readonly boxId: string;
      readonly mode: "memory" | "files";
      /** The iteration at whose end it was taken. */
      readonly index?: number;
      /** Position in that iteration's own session. */
      readonly atSeq?: number;
      /** The checkpoint as other machines can take it out of the store: these pieces, one after the other. */
      readonly stored?: {
        /** Bytes, of all pieces. */
        readonly size: number;
        readonly pieces: readonly BlobRef[];
      };
      /** Why it is not in the store, where it was to be. */
      readonly reason?: string;
    }
  | { readonly type: "checkpoint.deleted"; readonly checkpointId: string; readonly reason?: string };

/** What an event says, without its envelope. */
export type EventBody = BackendEventBody | StreamEventBody | LoopEventBody;

export type EventType = EventBody["type"];

/** A body as a box sends it: with its place in the turn. */
export type BoxEvent = EventBody & { readonly turn?: TurnMark };

/** What the store adds to a body when it takes it. */
export interface Envelope {
  /** Position in the session, from 1, without gaps (L4). */
  readonly seq: number;
  /** Milliseconds since the epoch, by the clock of the process that stored the event. */
  readonly at: number;
  readonly sessionId: string;
  readonly runId: string;
  readonly turn?: TurnMark;
}

/** An event as it is stored and delivered: the same bytes for everyone (L9). */
export type StoredEvent = Envelope & EventBody;

/** The stored events of one type. */
export type StoredEventOf<Type extends EventType> = Extract<StoredEvent, { readonly type: Type }>;

const BACKEND_TYPES: ReadonlySet<string> = new Set<BackendEventBody["type"]>([
  "text.delta",
  "reasoning.delta",
  "tool.started",
  "tool.ended",
  "plan.updated",
  "permission.requested",
  "permission.answered",
  "usage.reported",
  "artifact.created",
  "custom",
]);

/** True for the bodies that a backend may yield. */
export function isBackendEventType(type: string): type is BackendEventBody["type"] {
  return BACKEND_TYPES.has(type);
}
