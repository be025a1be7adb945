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
  "startedArgs",
  "startedKind",
]);
/** The fields of a chunk that a delta has. */
const SAID: ReadonlySet<string> = new Set(["sessionUpdate", "content"]);
const SAID_CONTENT: ReadonlySet<string> = new Set(["type", "text"]);
const PLANNED: ReadonlySet<string> = new Set(["sessionUpdate", "entries"]);
const PLANNED_ENTRY: ReadonlySet<string> = new Set(["content", "status", "priority"]);
const ANSWERED: ReadonlySet<string> = new Set(["stopReason", "usage", "_meta"]);
const COUNTED: ReadonlySet<string> = new Set(["inputTokens", "outputTokens", "cachedReadTokens"]);
const PLAN_STATUS: ReadonlySet<string> = new Set(["pending", "in_progress", "completed"]);
const PRIORITIES: ReadonlySet<string> = new Set(["high", "medium", "low"]);

/** A text that the agent is saying, and what it says of it beside its words. */
interface Saying {
  readonly type: "text.delta" | "reasoning.delta";
  /** Each holds from the character `at` of the text on. */
  readonly fields: Fields[];
  last: string;
  length: number;
}

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
  #saying: Saying | undefined;
  #lastUsage: string | undefined;

  constructor(emit: Emit, cost: CumulativeCost) {
    this.#emit = (body) => {
      if (this.#saying !== undefined && body.type !== this.#saying.type) this.#endSaying(emit);
      emit(body);
    };
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
    const rest = restOf(response, ANSWERED);
    if (rest !== undefined) this.#emit({ type: "custom", name: "acp.answer", data: toJson(rest) });
    const meta = response["_meta"];
    if (meta !== undefined && meta !== null)
      this.#emit({ type: "custom", name: "agent.turn_meta", data: toJson(meta) });
  }

  /** Nothing more will come: a tool that never ended was interrupted. */
  close(): void {
    for (const [toolCallId, tool] of this.#tools) this.#endTool(toolCallId, tool, "interrupted");
    this.#endSaying(this.#emit);
  }

  #text(type: "text.delta" | "reasoning.delta", update: Fields): void {
    const content = update["content"] as Fields | undefined;
    if (content?.["type"] !== "text" || typeof content["text"] !== "string") return this.#custom(update);
    const { text } = content;
    if (this.#saying !== undefined && this.#saying.type !== type) this.#endSaying(this.#emit);
    const saying = (this.#saying ??= { type, fields: [], last: "{}", length: 0 });
    const rest = restOf(update, SAID);
    const contentRest = restOf(content, SAID_CONTENT);
    if (rest !== undefined || contentRest !== undefined || saying.fields.length > 0) {
      // Most agents say the same of each chunk of a message.
      const fields = { ...rest, ...(contentRest === undefined ? {} : { content: contentRest }) };
      const said = JSON.stringify(fields);
      if (said !== saying.last) saying.fields.push({ at: saying.length, ...fields });
      saying.last = said;
    }
    saying.length += text.length;
    if (text !== "") this.#emit({ type, text });
  }

  /** What was noted of a text comes after the whole of it: nothing may stand between two deltas that a secret could be split over. */
  #endSaying(emit: Emit): void {
    const saying = this.#saying;
    this.#saying = undefined;
    if (saying === undefined || saying.fields.length === 0) return;
    emit({ type: "custom", name: "acp.text_fields", data: toJson({ of: saying.type, fields: saying.fields }) });
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
      if (rawInput !== undefined && rawInput !== null) tool.fields["startedArgs"] = JSON.stringify(rawInput);
      tool.fields["startedKind"] = kind;
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
    // The input often comes, or becomes whole, after the start, once the model has written it.
    if (fields["rawInput"] !== undefined && fields["startedArgs"] !== JSON.stringify(fields["rawInput"]))
      result["args"] = toJson(fields["rawInput"]);
    // Of a kind that is none of ours the start says "other".
    const { kind } = fields;
    if (typeof kind === "string" && (kind !== fields["startedKind"] || !KINDS.has(kind))) result["kind"] = kind;
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
    let isWhole = restOf(update, PLANNED) === undefined;
    for (const entry of update["entries"] as Fields[]) {
      const { content, status, priority } = entry ?? {};
      if (typeof content !== "string" || typeof status !== "string" || !PLAN_STATUS.has(status))
        return this.#custom(update);
      const hasPriority = typeof priority === "string" && PRIORITIES.has(priority);
      isWhole &&= restOf(entry, PLANNED_ENTRY) === undefined && (hasPriority || (priority ?? undefined) === undefined);
      entries.push({
        content,
        status: status as PlanEntry["status"],
        ...(hasPriority ? { priority: priority as NonNullable<PlanEntry["priority"]> } : {}),
      });
    }
    this.#emit({ type: "plan.updated", entries });
    if (!isWhole) this.#custom(update);
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
    if (restOf(source, COUNTED) !== undefined) this.#emit({ type: "custom", name: "acp.usage", data: toJson(source) });
  }

  #custom(update: Fields): void {
    const name = typeof update["sessionUpdate"] === "string" ? update["sessionUpdate"] : "update";
    this.#emit({ type: "custom", name: `acp.${name}`, data: toJson(update) });
  }
}

/** What of an agent's words has no place in our own; undefined where all of it has. */
function restOf(fields: Fields, placed: ReadonlySet<string>): Fields | undefined {
  let rest: Record<string, unknown> | undefined;
  for (const name in fields) {
    const value = fields[name];
    if (!placed.has(name) && value !== undefined && value !== null) (rest ??= {})[name] = value;
  }
  return rest;
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
