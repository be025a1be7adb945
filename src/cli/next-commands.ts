import type { CommonOptions } from "./common-options.ts";

const PLAIN = /^[\w@%+=:,./-]+$/;

/** A word as a shell takes it. */
export function quoteWord(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** The exact command that does something with a session, with the data directory where it was named. */
export function nextCommand(words: readonly string[], options: CommonOptions): string {
  return ["skein", ...words, ...(options.data === undefined ? [] : ["--data", options.data])].map(quoteWord).join(" ");
}

/** How to look at a session again. */
export function renderNextCommands(sessionId: string, options: CommonOptions, hasPatch: boolean): string[] {
  const lines = [
    `  ${nextCommand(["show", sessionId], options)}`,
    `  ${nextCommand(["replay", sessionId], options)}`,
  ];
  if (hasPatch) lines.push(`  ${nextCommand(["apply", sessionId], options)}`);
  return lines;
}
