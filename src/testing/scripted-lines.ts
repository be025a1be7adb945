import { BackendError } from "../errors.ts";
import type { EventBody } from "../event/event.ts";
import { onAbort } from "../internal/abort.ts";
import type { ScriptedTurn } from "./scripted-sandbox.ts";

const say = (text: string): EventBody => ({ type: "text.delta", text });

/**
 * The agent of a scripted box that does what the lines of its prompt say: the words of `scripted-agent.ts` that need neither a process nor the protocol
 * (`say`, `think`, `chunks`, `tool`, `write`, `read`, `remember`, `recall`, `gate`, `wait`, `hang`, `die`).
 *
 * @experimental
 */
export async function* runPromptLines({ prompt, memory, files, signal }: ScriptedTurn): AsyncGenerator<EventBody> {
  const words = memory.prompts
    .slice(0, -1)
    .flatMap((earlier) => linesOf(earlier).flatMap(([word, text]) => (word === "remember" ? [text] : [])));
  for (const [word, text] of linesOf(prompt)) {
    const [first = "", ...rest] = text.split(" ");
    switch (word) {
      case "say":
        yield say(text);
        break;
      case "think":
        yield { type: "reasoning.delta", text };
        break;
      case "chunks":
        for (let index = 1; index <= Number(text); index++) yield say(`${index} `);
        break;
      case "tool":
        yield { type: "tool.started", toolCallId: first, toolName: "execute" };
        yield { type: "tool.ended", toolCallId: first, toolName: "execute", status: "completed" };
        break;
      case "write":
        files.write(first, `${rest.join(" ")}\n`);
        break;
      case "read":
        yield say(Buffer.from(files.read(text)).toString("utf8"));
        break;
      case "remember":
        words.push(text);
        break;
      case "recall":
        yield say(words.join(","));
        break;
      case "gate":
        await files.waitFor(text);
        break;
      case "wait":
        await new Promise<void>((resolve) => onAbort(signal, resolve));
        return;
      case "hang":
        await new Promise(() => {});
        break;
      case "die":
        throw new BackendError("agent_exited", `The agent ended with code ${text} in the middle of a turn.`);
      default:
        yield say(`What does "${word}" mean?`);
    }
  }
}

function linesOf(prompt: string): [word: string, text: string][] {
  return prompt
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => {
      const [word = "", ...rest] = line.split(" ");
      return [word, rest.join(" ")];
    });
}
