import type { JsonValue, StoredEvent, TurnMark } from "../../event/event.ts";
import type { BackendInput } from "../backend.ts";

/** How much of a turn a session holds already. */
export interface StoredTurn {
  /** True where the run that the turn belongs to was given the same prompt. */
  readonly isSamePrompt: boolean;
  /** Its last place in the log; absent where nothing of it is stored. */
  readonly mark?: TurnMark;
}

/** What the agent is told. Inputs are the task's data; an agent has no other place for them than its prompt. */
export function promptOf(input: BackendInput): string {
  if (input.inputs === undefined || Object.keys(input.inputs).length === 0) return input.prompt;
  return `${input.prompt}\n\n${JSON.stringify(input.inputs, null, 2)}`;
}

/** Looks through a session's history for the events of one turn. */
export async function findStoredTurn(
  history: AsyncIterable<StoredEvent>,
  turnId: string,
  prompt: string,
): Promise<StoredTurn> {
  let task: JsonValue | undefined;
  let last: TurnMark | undefined;
  let isDone = false;
  for await (const event of history) {
    if (event.type === "run.started") task = event.task;
    if (event.type === "final" && event.status === "completed") isDone = true;
    else if (event.type === "run.started") isDone = false;
    if (event.turn?.id === turnId) last = event.turn;
  }
  return { isSamePrompt: !isDone && promptIn(task) === prompt, ...(last === undefined ? {} : { mark: last }) };
}

function promptIn(task: JsonValue | undefined): string | undefined {
  if (typeof task === "string") return task;
  const prompt = (task as { readonly prompt?: JsonValue } | null | undefined)?.prompt;
  return typeof prompt === "string" ? prompt : undefined;
}
