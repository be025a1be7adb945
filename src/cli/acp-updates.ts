import type { AcpSessionUpdate } from "../agent/acp/index.ts";
import type { JsonValue, StoredEvent } from "../event/event.ts";

/** What an editor is told of an event; undefined where its protocol has no word for it. */
export function toAcpUpdate(event: StoredEvent): AcpSessionUpdate | undefined {
  switch (event.type) {
    case "text.delta":
      return { sessionUpdate: "agent_message_chunk", content: { type: "text", text: event.text } };
    case "reasoning.delta":
      return { sessionUpdate: "agent_thought_chunk", content: { type: "text", text: event.text } };
    case "tool.started":
      return {
        sessionUpdate: "tool_call",
        toolCallId: event.toolCallId,
        title: event.title ?? event.toolName,
        status: "in_progress",
        ...(event.kind === undefined ? {} : { kind: event.kind }),
        ...(event.args === undefined ? {} : { rawInput: event.args }),
      };
    case "tool.ended":
      return {
        sessionUpdate: "tool_call_update",
        toolCallId: event.toolCallId,
        status: event.status === "completed" ? "completed" : "failed",
        ...(event.result === undefined ? {} : { rawOutput: event.result }),
      };
    case "plan.updated":
      return {
        sessionUpdate: "plan",
        entries: event.entries.map((entry) => ({ priority: "medium" as const, ...entry })),
      };
    case "run.started": {
      const prompt = promptOf(event.task);
      return prompt === undefined
        ? undefined
        : { sessionUpdate: "user_message_chunk", content: { type: "text", text: prompt } };
    }
    default:
      return undefined;
  }
}

function promptOf(task: JsonValue): string | undefined {
  const prompt = (task as { readonly prompt?: unknown } | null)?.prompt ?? task;
  return typeof prompt === "string" ? prompt : undefined;
}
