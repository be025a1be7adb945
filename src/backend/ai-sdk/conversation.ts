import type { JsonValue, StoredEvent } from "../../event/event.ts";
import type { BackendInput } from "../backend.ts";

export interface ConversationMessage {
  readonly role: "user" | "assistant";
  readonly content: string;
}

/** What was said in the session before, and what is asked now. Of a run that ended early the model is told what it had said until then. */
export async function toMessages(
  history: AsyncIterable<StoredEvent>,
  input: BackendInput,
): Promise<ConversationMessage[]> {
  const messages: ConversationMessage[] = [];
  let text = "";
  const close = (): void => {
    if (text !== "") messages.push({ role: "assistant", content: text });
    text = "";
  };
  for await (const event of history) {
    if (event.type === "run.started") {
      close();
      const prompt = promptOf(event.task);
      if (prompt !== undefined) messages.push({ role: "user", content: prompt });
    } else if (event.type === "text.delta") text += event.text;
  }
  close();
  messages.push({ role: "user", content: toPrompt(input) });
  return messages;
}

function toPrompt({ prompt, inputs }: BackendInput): string {
  return inputs === undefined || Object.keys(inputs).length === 0
    ? prompt
    : `${prompt}\n\n${JSON.stringify(inputs, null, 2)}`;
}

function promptOf(task: JsonValue): string | undefined {
  if (typeof task === "string") return task;
  const { prompt, inputs } = (task ?? {}) as { readonly prompt?: unknown; readonly inputs?: BackendInput["inputs"] };
  return typeof prompt === "string" ? toPrompt({ prompt, ...(inputs === undefined ? {} : { inputs }) }) : undefined;
}
