import type { JsonValue } from "../../event/event.ts";

export type Input = Readonly<Record<string, JsonValue>>;

/** The input of a task: its prompt as a text, or all of it as JSON. */
export function InputField({ input }: { readonly input: Input }) {
  const { prompt, ...others } = input;
  const isPrompt = (prompt === undefined || typeof prompt === "string") && Object.keys(others).length === 0;
  return (
    <label class="field">
      {isPrompt ? "Prompt, or the input as a JSON object" : "Input, a JSON object"}
      <textarea name="input" rows={6} spellcheck={isPrompt} autofocus>
        {isPrompt ? (prompt ?? "") : JSON.stringify(input, null, 2)}
      </textarea>
    </label>
  );
}

/** What stands in the field. @throws Error for what is none */
export function readInput(fields: FormData): Input {
  const text = String(fields.get("input") ?? "").trim();
  if (!text.startsWith("{")) return text === "" ? {} : { prompt: text };
  try {
    return JSON.parse(text) as Input;
  } catch (cause) {
    throw new Error("What begins with { is a JSON object, and this is none.", { cause });
  }
}

/** The input that a session was begun with. */
export function inputOf(labels: Readonly<Record<string, string>>): Input {
  try {
    // What the AI SDK's chat adds is the message's, not the user's.
    const { messageId: _message, ...input } = JSON.parse(labels["skein.input"] ?? "{}") as Input;
    return input;
  } catch {
    return {};
  }
}
