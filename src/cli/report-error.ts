import { CommanderError } from "commander";
import { isAbortError, SkeinError } from "../errors.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { toPlainText } from "../view/plain-text.ts";

/** Failures that are the caller's to mend: the command line was wrong, or named something that is not there or not ours. */
const USAGE_CODES: ReadonlySet<string> = new Set(["store_foreign", "store_newer", "agent_unknown", "agent_not_found"]);

/** A `ValidationError` that is an answer, not a mistake in the command. */
const ANSWER_CODES: ReadonlySet<string> = new Set([
  "patch_conflict",
  "patch_unsafe",
  "no_change",
  "session_busy",
  "budget_unmeasured",
  "conversation_gone",
]);

/** The exit code for what a command threw. */
export function toErrorExitCode(error: unknown): ExitCode {
  if (isAbortError(error)) return EXIT.interrupted;
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (!SkeinError.is(error)) return EXIT.failed;
  if (USAGE_CODES.has(error.code)) return EXIT.usage;
  return error.kind === "validation" && !ANSWER_CODES.has(error.code) ? EXIT.usage : EXIT.failed;
}

/** What a person is told: one sentence with its code; with `debug` also the stacks and causes. */
export function renderThrown(error: unknown, debug: boolean): string[] {
  const message = toPlainText(error instanceof Error ? error.message : String(error));
  const code = SkeinError.is(error) ? error.code : (error as { code?: unknown } | null)?.code;
  const lines = [`skein: ${message}${typeof code === "string" ? ` [${code}]` : ""}`];
  if (!SkeinError.is(error) && !debug)
    lines.push("       This was not expected; run it again with --debug to see where it comes from.");
  if (debug) {
    for (let cause: unknown = error, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth++) {
      lines.push(`${depth === 0 ? "" : "caused by: "}${toPlainText(cause.stack ?? cause.message)}`);
    }
  }
  return lines;
}

/** commander's own complaints, in our form: without its lead, with the command whose help says more. */
export function renderUsageError(text: string, commandName: string): string {
  const sentence = text
    .replace(/^error: /, "")
    .trim()
    .replaceAll(/\s*\n\s*/g, " ");
  const ended = /[.)?!]$/.test(sentence) ? sentence : `${sentence}.`;
  return `skein: ${ended} See \`${commandName} --help\`. [invalid_option]\n`;
}
