import type { Iteration } from "./loop-types.ts";

/** The decisions that end a loop; any other word goes on. */
const LAST_WORDS: ReadonlySet<unknown> = new Set(["stop", "done", "pick-winner", "fail"]);

/** The word of a decision, which may say more: who won. */
export function toWord(decision: unknown): unknown {
  return typeof decision === "object" && decision !== null && "decision" in decision ? decision.decision : decision;
}

/** The word of a decision that ends its loop; undefined for one that goes on. */
export function toLastWord(decision: unknown): string | undefined {
  const word = toWord(decision);
  return LAST_WORDS.has(word) ? String(word) : undefined;
}

/** The iteration that a decision picked, if it picked one. */
export function findPicked<Task, Output>(
  history: readonly Iteration<Task, Output>[],
  decision: unknown,
): Iteration<Task, Output> | undefined {
  if (typeof decision !== "object" || decision === null || !("iterationIndex" in decision)) return undefined;
  return history.find(({ index }) => index === decision.iterationIndex);
}
