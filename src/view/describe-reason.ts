import { toPlainLine } from "./plain-text.ts";

/** Why a run ended, for people: what the log says in one word for programs. */
const WORDS: Readonly<Record<string, string>> = {
  owner_dead: "its process died",
  lease_over: "its process gave no sign of life",
  taken_over: "another process took the session over",
  forked: "cut off by the fork",
  consumer_left: "the program that ran it stopped reading",
  store_failed: "the store could not write",
  backend_failed: "the backend failed",
  deadline_exceeded: "past its deadline",
  no_valid_output: "no output was valid",
  nothing_left: "nothing was left to do",
  budget_exhausted: "the budget is spent",
  max_iterations: "all its iterations are used",
  "pick-winner": "the driver picked the winner",
  fail: "the driver gave up",
};

/** The reason of a `final` in words; a code that is not known here is its own words. Empty where it only repeats the status. */
export function describeReason(reason: string, status: string): string {
  if (reason === status || reason === "completed") return "";
  return Object.hasOwn(WORDS, reason) ? (WORDS[reason] as string) : toPlainLine(reason.replaceAll("_", " "));
}
