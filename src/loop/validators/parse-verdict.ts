import { BackendError } from "../../errors.ts";
import type { Verdict } from "../loop-types.ts";

/**
 * Reads what someone answered as a verdict.
 *
 * @param who begins the message: `The model`, `The validator tests`
 * @throws BackendError `validator_failed` where it is none, with what it was instead
 */
export function parseVerdict(answer: unknown, who: string): Verdict {
  const { valid, score, scores, notes } = (typeof answer === "object" && answer !== null ? answer : {}) as Record<
    string,
    unknown
  >;
  if (typeof valid !== "boolean") throw refusal(who, `"valid" is ${describe(valid)}`);
  if (typeof score !== "number" || !Number.isFinite(score)) throw refusal(who, `"score" is ${describe(score)}`);
  if (notes !== undefined && notes !== null && typeof notes !== "string")
    throw refusal(who, `"notes" is ${describe(notes)}`);
  return {
    valid,
    score,
    ...(scores === undefined ? {} : { scores: scores as Readonly<Record<string, number>> }),
    ...(typeof notes === "string" && notes !== "" ? { notes } : {}),
  };
}

function refusal(who: string, what: string): BackendError {
  return new BackendError(
    "validator_failed",
    `${who} gave no verdict: ${what}; expected { valid: boolean, score: a finite number, notes?: string }.`,
  );
}

/** What a value is, in few words: an answer may be long, and a message must not be. */
function describe(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "object") return value === null ? "null" : Array.isArray(value) ? "a list" : "an object";
  const text = String(value);
  return `the ${typeof value} ${text.length > 40 ? `${text.slice(0, 40)}…` : text}`;
}
