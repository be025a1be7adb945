import type { BackendEventBody, JsonValue, PlanEntry, ToolKind, ToolStatus, Usage } from "../../event/event.ts";

type Emit = (body: BackendEventBody) => void;
type Fields = Record<string, unknown>;

interface OpenTool {
  readonly toolName: string;
  /** The fields of the tool as the agent has patched them so far. */
  readonly fields: Fields;
}

const KINDS: ReadonlySet<string> = new Set([
  "read",
  "edit",
  "delete",
  "move",
  "search",
  "execute",
  "think",
  "fetch",
  "switch_mode",
  "other",
]);
/** The fields of a tool that its events have, and our own mark. */
const PLACED: ReadonlySet<string> = new Set([
  "sessionUpdate",
  "toolCallId",
  "name",
  "title",
  "kind",
  "status",
  "content",
  "rawInput",
  "rawOutput",
  "locations",
  "startedWithArgs",
]);
const PLAN_STATUS: ReadonlySet<string> = new Set(["pending", "in_progress", "completed"]);
const PRIORITIES: ReadonlySet<string> = new Set(["high", "medium", "low"]);

/** What a conversation has cost so far, as the agent counts it. It lives longer than a turn, because the agent counts on. */
export interface CumulativeCost {
  costUsd: number;
}

/**
 * Turns the updates of one turn into events. An agent's updates are patches of things that it names; events are facts
 * that stand for themselves, so a tool is started once, ended once, and whatever is not understood is kept as `custom`.
 */
export class AcpTurnMapper {
  readonly #emit: Emit;
  readonly #cost: CumulativeCost;
  readonly #tools = new Map<string, OpenTool>();
  readonly #ended = new Set<string>();
  #lastUsage: string | undefined;

  constructor(emit: Emit, cost: CumulativeCost) {
    this.#emit = emit;
    this.#cost = cost;
  }

  update(update: Fields): void {
    switch (update["sessionUpdate"]) {
      case "agent_message_chunk":
        return this.#text("text.delta", update);
      case "agent_thought_chunk":
        return this.#text("reasoning.delta", update);
      case "tool_call":
      case "tool_call_update":
        return this.#tool(update);
      case "plan":
        return this.#plan(update);
      case "usage_update":
        return this.#usage(update);
      default:
        return this.#custom(update);
    }
  }

  /** Of which kind the agent said a tool is that has not ended. */
  kindOf(toolCallId: string): unknown {
    return this.#tools.get(toolCallId)?.fields["kind"];
  }

  /** The answer to the prompt: how the turn ended and what it took. */
  answer(response: Fields): void {
    this.#promptUsage(response["usage"]);
    const stopReason = response["stopReason"];
    if (stopReason !== "end_turn" && stopReason !== "cancelled") {
      this.#emit({ type: "custom", name: "stop_reason", data: { stopReason: toJson(stopReason) } });
    }
    const meta = response["_meta"];
    if (meta !== undefined && meta !== null)
      this.#emit({ type: "custom", name: "agent.turn_meta", data: toJson(meta) });
  }

  /** Nothing more will come: a tool that never ended was interrupted. */
  close(): void {
    for (const [toolCallId, tool] of this.#tools) this.#endTool(toolCallId, tool, "interrupted");
  }

  #text(type: "text.delta" | "reasoning.delta", update: Fields): void {
    const content = update["content"] as Fields | undefined;
    if (content?.["type"] === "text" && typeof content["text"] === "string") {
      if (content["text"] !== "") this.#emit({ type, text: content["text"] });
    } else {
      this.#custom(update);
    }
  }

  #tool(update: Fields): void {
    const toolCallId = update["toolCallId"];
    if (typeof toolCallId !== "string") return this.#custom(update);
    // Some agents go on patching a tool that has ended; the event is a fact, so what comes late is kept beside it.
    if (this.#ended.has(toolCallId)) return this.#custom(update);
    let tool = this.#tools.get(toolCallId);
    if (tool === undefined) {
      tool = { toolName: nameOf(update), fields: {} };
      this.#tools.set(toolCallId, tool);
      const { title, kind, rawInput } = update;
      this.#emit({
        type: "tool.started",
        toolCallId,
        toolName: tool.toolName,
        ...(typeof title === "string" ? { title } : {}),
        ...(typeof kind === "string" ? { kind: (KINDS.has(kind) ? kind : "other") as ToolKind } : {}),
        ...(rawInput === undefined || rawInput === null ? {} : { args: toJson(rawInput) }),
      });
      if (rawInput !== undefined && rawInput !== null) tool.fields["startedWithArgs"] = true;
    }
    for (const [key, value] of Object.entries(update)) {
      if (value !== undefined && value !== null) tool.fields[key] = value;
    }
    const status = update["status"];
    if (status === "completed" || status === "failed" || status === "cancelled")
      this.#endTool(toolCallId, tool, status);
  }

  #endTool(toolCallId: string, tool: OpenTool, status: ToolStatus): void {
    this.#tools.delete(toolCallId);
    this.#ended.add(toolCallId);
    const { fields } = tool;
    const result: Record<string, JsonValue> = {};
    if (fields["content"] !== undefined) result["content"] = toJson(fields["content"]);
    if (fields["rawOutput"] !== undefined) result["output"] = toJson(fields["rawOutput"]);
    if (fields["locations"] !== undefined) result["locations"] = toJson(fields["locations"]);
    // The input often comes after the start, once the model has written it.
    if (fields["rawInput"] !== undefined && fields["startedWithArgs"] !== true)
      result["args"] = toJson(fields["rawInput"]);
    if (typeof fields["title"] === "string" && fields["title"] !== tool.toolName) result["title"] = fields["title"];
    // What has no place of its own, such as `_meta`, is kept as the agent said it.
    const rest = Object.entries(fields).filter(([name]) => !PLACED.has(name));
    if (rest.length > 0) result["acp"] = toJson(Object.fromEntries(rest));
    this.#emit({
      type: "tool.ended",
      toolCallId,
      toolName: tool.toolName,
      status,
      ...(Object.keys(result).length === 0 ? {} : { result }),
    });
  }

  #plan(update: Fields): void {
    if (!Array.isArray(update["entries"])) return this.#custom(update);
    const entries: PlanEntry[] = [];
    for (const entry of update["entries"] as Fields[]) {
      const { content, status, priority } = entry ?? {};
      if (typeof content !== "string" || typeof status !== "string" || !PLAN_STATUS.has(status))
        return this.#custom(update);
      entries.push({
        content,
        status: status as PlanEntry["status"],
        ...(typeof priority === "string" && PRIORITIES.has(priority)
          ? { priority: priority as NonNullable<PlanEntry["priority"]> }
          : {}),
      });
    }
    this.#emit({ type: "plan.updated", entries });
  }

  /** `used` and `size` are the fill of the context, not tokens spent: they stay as they are. The cost is a running sum. */
  #usage(update: Fields): void {
    const cost = update["cost"] as Fields | undefined | null;
    if (cost !== undefined && cost !== null && cost["currency"] === "USD" && typeof cost["amount"] === "number") {
      const spent = cost["amount"] - this.#cost.costUsd;
      this.#cost.costUsd = cost["amount"];
      if (spent > 0) this.#emit({ type: "usage.reported", costUsd: spent });
    }
    const text = JSON.stringify(update);
    if (text === this.#lastUsage) return;
    this.#lastUsage = text;
    this.#custom(update);
  }

  #promptUsage(value: unknown): void {
    if (typeof value !== "object" || value === null) return;
    const source = value as Fields;
    const read = (name: string): number | undefined =>
      typeof source[name] === "number" && source[name] >= 0 ? source[name] : undefined;
    const inputTokens = read("inputTokens");
    const outputTokens = read("outputTokens");
    const cachedTokens = read("cachedReadTokens");
    const usage: Usage = {
      ...(inputTokens === undefined ? {} : { inputTokens }),
      ...(outputTokens === undefined ? {} : { outputTokens }),
      ...(cachedTokens === undefined ? {} : { cachedTokens }),
    };
    if (Object.keys(usage).length > 0) this.#emit({ type: "usage.reported", ...usage });
  }

  #custom(update: Fields): void {
    const name = typeof update["sessionUpdate"] === "string" ? update["sessionUpdate"] : "update";
    this.#emit({ type: "custom", name: `acp.${name}`, data: toJson(update) });
  }
}

/** What came off the wire was parsed from JSON, so it is JSON. */
function toJson(value: unknown): JsonValue {
  return (value ?? null) as JsonValue;
}

function nameOf(update: Fields): string {
  for (const key of ["name", "title", "kind"]) {
    const value = update[key];
    if (typeof value === "string" && value !== "") return value;
  }
  return "tool";
}
