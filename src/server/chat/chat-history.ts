import type { JsonValue } from "../../event/event.ts";
import type { Session, SessionStore } from "../../store/session-store.ts";
import type { RunOverview } from "../sessions/runs-fold.ts";
import { UiMessageFold } from "./ui-message-fold.ts";
import type { UiMessage } from "./ui-message-fold.ts";

/** A conversation as it stands in the log. */
export interface ChatHistory {
  readonly id: string;
  readonly status: Session["status"];
  /** Oldest first. Of a run that goes on there is only what it was asked: its answer is what the stream is for. */
  readonly messages: readonly UiMessage[];
  /** The `before` of the page that comes before this one, where there is more. */
  readonly next?: string;
}

/** The runs that a conversation shows: one that answers the same message again takes the place of the one before. */
export function withoutReplaced(runs: readonly RunOverview[]): RunOverview[] {
  return runs.filter(({ task }, index) => {
    const next = runs[index + 1];
    const asked = messageIdOf(task);
    return next === undefined || asked === undefined || messageIdOf(next.task) !== asked;
  });
}

/** The question and the answer of each run. */
export async function readChatHistory(
  store: SessionStore,
  sessionId: string,
  runs: readonly RunOverview[],
): Promise<UiMessage[]> {
  const messages: UiMessage[] = [];
  const ids = new Set<string>();
  for (const run of runs) {
    const { runId, task, startedSeq, lastSeq, status } = run;
    const asked = messageIdOf(task) ?? "";
    const id = asked === "" || ids.has(asked) ? `${runId}-asked` : asked;
    ids.add(id);
    messages.push({ id, role: "user", parts: [{ type: "text", text: textOf(task) }] });
    if (status === "running") continue;
    const fold = new UiMessageFold();
    for await (const event of store.read(sessionId, { after: startedSeq - 1, limit: lastSeq - startedSeq + 1 }))
      if (event.runId === runId) fold.add(event);
    messages.push(fold.toMessage(runId));
  }
  return messages;
}

/** The id of the message that a run answers. */
export function messageIdOf(task: JsonValue): string | undefined {
  const { id } = fieldsOf(task);
  return typeof id === "string" ? id : undefined;
}

/** What the user wrote, where the task kept it; else what was asked of the agent. */
function textOf(task: JsonValue): string {
  if (typeof task === "string") return task;
  const { prompt, inputs } = fieldsOf(task);
  const written = fieldsOf(inputs)["prompt"];
  if (typeof written === "string") return written;
  return typeof prompt === "string" ? prompt : JSON.stringify(task);
}

function fieldsOf(value: JsonValue | undefined): { readonly [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as { readonly [key: string]: JsonValue })
    : {};
}
