import type { ProcessResult } from "../../internal/spawn-process.ts";

const TAIL = 400;
const MORE_SPACE = "Free some space there, or choose a directory on a larger disk.";

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
    : withAdvice(said.replace(/^Error: /, "").slice(-TAIL));
}

/** What was said, and what to do where it says that a disk is full. */
export function withAdvice(said: string): string {
  if (!/no space left on device|disk quota exceeded/i.test(said) || said.endsWith(MORE_SPACE)) return said;
  return `${said.replace(/\.$/, "")}. ${MORE_SPACE}`;
}
