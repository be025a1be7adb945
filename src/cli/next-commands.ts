import type { CommonOptions } from "./common-options.ts";
import type { LoopProgress } from "../view/loop-progress.ts";

const PLAIN = /^[\w@%+=:,./-]+$/;

/** A word as a shell takes it. */
export function quoteWord(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** The exact command that does something with a session, with the data directory where it was named; a password stays out. */
export function nextCommand(words: readonly string[], options: CommonOptions): string {
  const data = options.data?.replace(/^(postgres(?:ql)?:\/\/[^/@:]*):[^@]*@/, "$1@");
  return ["skein", ...words, ...(data === undefined ? [] : ["--data", data])].map(quoteWord).join(" ");
}

/** The change that there is to apply. */
export type NamedChange = "none" | "winner" | { readonly iteration: number };

/** How the change is named to `skein apply`: one that was refused must be asked for. */
export function toChange(hasPatch: boolean, { winner }: LoopProgress): NamedChange {
  if (!hasPatch) return "none";
  return winner?.verdict?.valid === false ? { iteration: winner.index } : "winner";
}

/** How to look at a session again. */
export function renderNextCommands(sessionId: string, options: CommonOptions, change: NamedChange): string[] {
  const lines = [
    ["show", sessionId],
    ["replay", sessionId],
  ];
  if (change === "winner") lines.push(["apply", sessionId]);
  else if (change !== "none") lines.push(["apply", sessionId, "--iteration", String(change.iteration)]);
  return lines.map((words) => `  ${nextCommand(words, options)}`);
}
