import type { StoredEvent, StoredEventOf, Usage } from "../event/event.ts";
import { addUsage } from "../event/usage.ts";
import type { OpenSpan } from "./open-span.ts";
import { toErrorType } from "./open-span.ts";
import type { RunScope } from "./run-scope.ts";
import { LastWords, readPrompt, toContent, toMessages } from "./span-content.ts";
import { deriveSpanId } from "./span-ids.ts";

/** What a run does with its backend: one call of an agent or a model, and the tools under it. */
export class CallSpans {
  readonly #scope: RunScope;
  readonly #started: StoredEventOf<"run.started">;
  #call: OpenSpan | undefined;
  readonly #tools = new Map<string, OpenSpan>();
  #usage: Usage = {};
  readonly #byModel = new Map<string, Usage>();
  readonly #words = new LastWords();
  #hasSpoken = false;

  constructor(scope: RunScope, started: StoredEventOf<"run.started">) {
    this.#scope = scope;
    this.#started = started;
  }

  add(event: StoredEvent): void {
    switch (event.type) {
      case "backend.started":
        return this.#begin(event);
      case "backend.ended":
        return this.#end(event.at);
      case "backend.failed":
        this.#call?.fail(event.error === undefined ? "backend_failed" : toErrorType(event.error));
        return this.#end(event.at);
      case "text.delta":
        this.#hear(event.at);
        if (this.#scope.content) this.#words.add(event.text);
        return undefined;
      case "reasoning.delta":
        return this.#hear(event.at);
      case "tool.started":
        return this.#beginTool(event);
      case "tool.ended":
        return this.#endTool(event);
      case "usage.reported":
        this.#usage = addUsage(this.#usage, event);
        if (event.model !== undefined)
          this.#byModel.set(event.model, addUsage(this.#byModel.get(event.model) ?? {}, event));
        return undefined;
      case "permission.requested":
        return this.#call?.mark("skein.permission.requested", event.at, {
          "skein.permission.id": event.requestId,
          "gen_ai.tool.call.id": event.toolCallId,
        });
      case "permission.answered":
        return this.#call?.mark("skein.permission.answered", event.at, {
          "skein.permission.id": event.requestId,
          "skein.permission.option": event.optionId,
          "skein.permission.by": event.by,
        });
      case "artifact.created":
        return this.#call?.mark("skein.artifact.created", event.at, {
          "skein.artifact.name": event.name,
          "skein.artifact.size": event.blob?.size,
        });
      default:
        return undefined;
    }
  }

  /** Of all that was reported in the run. */
  get usage(): Usage {
    return this.#usage;
  }

  /** The run is over: what has not ended by itself ends with it. */
  close(at: number, errorType: string | undefined): void {
    for (const tool of this.#tools.values()) {
      tool.set({ "skein.tool.status": errorType ?? "unknown" });
      if (errorType !== undefined) tool.fail(errorType);
      this.#scope.close(tool, at);
    }
    this.#tools.clear();
    if (errorType !== undefined) this.#call?.fail(errorType);
    this.#end(at);
  }

  #begin({ seq, at, backend }: StoredEventOf<"backend.started">): void {
    this.#end(at);
    const scope = this.#scope;
    const operation = scope.isModelCall(backend) ? "chat" : "invoke_agent";
    const agentName = operation === "chat" ? undefined : scope.agentName;
    this.#call = scope.open(deriveSpanId(scope.sessionId, "call", seq), {
      parent: scope.run,
      name: agentName === undefined ? operation : `${operation} ${agentName}`,
      kind: "client",
      startedAt: at,
      attributes: {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": backend,
        "gen_ai.agent.name": agentName,
        "gen_ai.conversation.id": scope.conversationId,
      },
    });
    const prompt = scope.content ? readPrompt(this.#started.task) : undefined;
    if (prompt !== undefined) this.#call.setContent("gen_ai.input.messages", toMessages("user", prompt));
  }

  #hear(at: number): void {
    if (this.#hasSpoken || this.#call === undefined) return;
    this.#hasSpoken = true;
    this.#call.set({ "skein.first_output_ms": at - this.#call.opened.startedAt });
  }

  #end(at: number): void {
    const call = this.#call;
    if (call === undefined) return;
    this.#call = undefined;
    call.set(toUsageAttributes("gen_ai.usage", this.#usage));
    call.set({ "skein.cost_usd": this.#usage.costUsd });
    const [model, another] = this.#byModel.keys();
    if (another === undefined) {
      call.set({ "gen_ai.request.model": model });
      if (model !== undefined && call.name === "chat") call.name = `chat ${model}`;
    } else {
      for (const [name, usage] of this.#byModel)
        call.mark("skein.model.usage", at, {
          "gen_ai.request.model": name,
          ...toUsageAttributes("gen_ai.usage", usage),
          "skein.cost_usd": usage.costUsd,
        });
    }
    const { text } = this.#words;
    if (text !== "") call.setContent("gen_ai.output.messages", toMessages("assistant", text));
    this.#scope.close(call, at);
  }

  #beginTool({ seq, at, toolCallId, toolName, kind, title, args }: StoredEventOf<"tool.started">): void {
    this.#words.clear();
    this.#hear(at);
    const before = this.#tools.get(toolCallId);
    if (before !== undefined) this.#scope.close(before, at);
    const tool = this.#scope.open(deriveSpanId(this.#scope.sessionId, "tool", seq), {
      parent: this.#call ?? this.#scope.run,
      name: `execute_tool ${toolName}`,
      startedAt: at,
      attributes: {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": toolName,
        "gen_ai.tool.call.id": toolCallId,
        "gen_ai.conversation.id": this.#scope.conversationId,
        "skein.tool.kind": kind,
      },
    });
    if (this.#scope.content) {
      tool.set({ "gen_ai.tool.description": title });
      if (args !== undefined) tool.setContent("gen_ai.tool.call.arguments", toContent(args));
    }
    this.#tools.set(toolCallId, tool);
  }

  #endTool({ at, toolCallId, status, result }: StoredEventOf<"tool.ended">): void {
    const tool = this.#tools.get(toolCallId);
    if (tool === undefined) return;
    this.#tools.delete(toolCallId);
    tool.set({ "skein.tool.status": status });
    if (status === "failed" || status === "interrupted") tool.fail(status);
    if (this.#scope.content && result !== undefined) tool.setContent("gen_ai.tool.call.result", toContent(result));
    this.#scope.close(tool, at);
  }
}

/** Counts that nobody reported are absent, never 0 (L10). */
export function toUsageAttributes(prefix: string, usage: Usage): Record<string, number | undefined> {
  return {
    [`${prefix}.input_tokens`]: usage.inputTokens,
    [`${prefix}.output_tokens`]: usage.outputTokens,
    [`${prefix}.cache_read.input_tokens`]: usage.cachedTokens,
  };
}
