import type {
  BlobRef,
  ErrorDetail,
  FinalBody,
  JsonValue,
  PermissionOption,
  PlanEntry,
  RunStatus,
  StoredEvent,
  ToolKind,
  ToolStatus,
  Usage,
} from "./event.ts";
import { addUsage } from "./usage.ts";

/** One tool call. `status` is `running` until its `tool.ended`. */
export interface ToolState {
  readonly toolCallId: string;
  readonly toolName: string;
  readonly title?: string;
  readonly kind?: ToolKind;
  readonly args?: JsonValue;
  readonly status: ToolStatus | "running";
  readonly result?: JsonValue;
  readonly startedAt: number;
  readonly endedAt?: number;
}

export interface ArtifactState {
  readonly name: string;
  readonly mimeType?: string;
  readonly uri?: string;
  readonly content?: string;
  readonly blob?: BlobRef;
  readonly seq: number;
}

export interface PermissionState {
  readonly requestId: string;
  readonly title: string;
  readonly options: readonly PermissionOption[];
  /** Absent while the run waits; `null` when it was cancelled. */
  readonly answer?: string | null;
}

/** What a run looks like after some of its events. Plain data: it can be sent, stored and compared. */
export interface RunState {
  readonly runId?: string;
  readonly sessionId?: string;
  readonly kind?: "task" | "loop";
  readonly task?: JsonValue;
  readonly status: "created" | "running" | RunStatus;
  readonly reason?: string;
  /** All text of the run. */
  readonly text: string;
  /** The text since the last tool call. */
  readonly lastMessage: string;
  readonly reasoning: string;
  readonly tools: readonly ToolState[];
  readonly plan: readonly PlanEntry[];
  readonly permissions: readonly PermissionState[];
  readonly artifacts: readonly ArtifactState[];
  readonly usage: Usage;
  readonly usageByModel: Readonly<Record<string, Usage>>;
  readonly error?: ErrorDetail;
  readonly final?: FinalBody;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly lastSeq: number;
  readonly events: number;
}

/** A run of which nothing is known yet. */
export function createRunState(): RunState {
  return {
    status: "created",
    text: "",
    lastMessage: "",
    reasoning: "",
    tools: [],
    plan: [],
    permissions: [],
    artifacts: [],
    usage: {},
    usageByModel: {},
    lastSeq: 0,
    events: 0,
  };
}

/**
 * The state after one more event. Pure: the state that is given stays as it was. A `run.started` begins anew,
 * so that folding a whole session gives its last run.
 *
 * @stable
 */
export function foldEvent(before: RunState, event: StoredEvent): RunState {
  const state = { ...before, lastSeq: event.seq, events: before.events + 1 };
  switch (event.type) {
    case "run.started":
      return {
        ...createRunState(),
        lastSeq: event.seq,
        events: 1,
        runId: event.runId,
        sessionId: event.sessionId,
        kind: event.kind,
        task: event.task,
        status: "running",
        startedAt: event.at,
      };
    case "text.delta":
      return { ...state, text: state.text + event.text, lastMessage: state.lastMessage + event.text };
    case "reasoning.delta":
      return { ...state, reasoning: state.reasoning + event.text };
    case "tool.started": {
      const { toolCallId, toolName, title, kind, args } = event;
      const tool: ToolState = {
        toolCallId,
        toolName,
        ...(title === undefined ? {} : { title }),
        ...(kind === undefined ? {} : { kind }),
        ...(args === undefined ? {} : { args }),
        status: "running",
        startedAt: event.at,
      };
      return { ...state, lastMessage: "", tools: [...state.tools, tool] };
    }
    case "tool.ended": {
      const { toolCallId, status, result, at } = event;
      const tools = state.tools.map((tool) =>
        tool.toolCallId === toolCallId
          ? { ...tool, status, endedAt: at, ...(result === undefined ? {} : { result }) }
          : tool,
      );
      return { ...state, tools };
    }
    case "plan.updated":
      return { ...state, plan: event.entries };
    case "permission.requested": {
      const { requestId, title, options } = event;
      return { ...state, permissions: [...state.permissions, { requestId, title, options }] };
    }
    case "permission.answered": {
      const { requestId, optionId } = event;
      const permissions = state.permissions.map((permission) =>
        permission.requestId === requestId ? { ...permission, answer: optionId ?? null } : permission,
      );
      return { ...state, permissions };
    }
    case "usage.reported": {
      const model = event.model ?? "";
      const usageByModel = { ...state.usageByModel, [model]: addUsage(state.usageByModel[model] ?? {}, event) };
      return { ...state, usage: addUsage(state.usage, event), usageByModel };
    }
    case "iteration.ended":
      return { ...state, usage: addUsage(state.usage, event.usage) };
    case "artifact.created": {
      const { name, mimeType, uri, content, blob, seq } = event;
      const artifact: ArtifactState = {
        name,
        ...(mimeType === undefined ? {} : { mimeType }),
        ...(uri === undefined ? {} : { uri }),
        ...(content === undefined ? {} : { content }),
        ...(blob === undefined ? {} : { blob }),
        seq,
      };
      return { ...state, artifacts: [...state.artifacts, artifact] };
    }
    case "backend.failed":
      return event.error === undefined ? state : { ...state, error: event.error };
    case "final": {
      const { type, status, reason, text, textTruncated, error, suppressed, usage, durationMs } = event;
      const final: FinalBody = {
        type,
        status,
        reason,
        ...(text === undefined ? {} : { text }),
        ...(textTruncated === undefined ? {} : { textTruncated }),
        ...(error === undefined ? {} : { error }),
        ...(suppressed === undefined ? {} : { suppressed }),
        usage,
        durationMs,
      };
      return { ...state, status, reason, final, endedAt: event.at, ...(error === undefined ? {} : { error }) };
    }
    default:
      return state;
  }
}

/**
 * The state of a session's last run, from its events.
 *
 * @stable
 */
export function foldRun(events: Iterable<StoredEvent>): RunState {
  let state = createRunState();
  for (const event of events) state = foldEvent(state, event);
  return state;
}
