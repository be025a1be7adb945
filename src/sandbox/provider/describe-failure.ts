import type { ProcessResult } from "../../internal/spawn-process.ts";

const TAIL = 400;

/** What a command that failed said last, in one line. */
export function describeFailure(result: ProcessResult): string {
  if (result.notFound) return "there is no such program on the PATH.";
  if (result.timedOut) return "it took too long and was ended.";
  const said = result.stderr
    .trim()
    .split("\n")
    .filter((line) => line.trim() !== "")
    .at(-1);
  return said === undefined
    ? `it ended with ${result.exitCode ?? result.signal ?? "nothing"}.`
    : said.replace(/^Error: /, "").slice(-TAIL);
}
