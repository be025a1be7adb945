import { readFile } from "node:fs/promises";
import { withAdvice } from "../provider/index.ts";

const MAX_LINES = 3;
/** What CRIU calls an error and goes on from: a host that lacks the right to raise a limit, and how a program of its own ended. */
const NO_REASON = /^rlimit: Can't setup|^exited, status=/;

/**
 * Why CRIU would not: the lines of its log that say so, else what Podman said. Podman names the log in its message.
 *
 * @param said what Podman wrote to standard error
 */
export async function explainCriuFailure(said: string): Promise<string> {
  const path = /(\/\S+\.log)/.exec(said)?.[1];
  const log = path === undefined ? "" : await readFile(path, "utf8").catch(() => "");
  const errors = log
    .split("\n")
    .filter((line) => /\bError\b/.test(line))
    .map((line) =>
      line
        .replace(/^\([\d.]+\)\s*(\d+:\s*)?/, "")
        .replace(/^Error \([^)]*\):\s*/, "")
        .trim(),
    )
    .filter((line) => !NO_REASON.test(line));
  const told = [...new Set(errors)].slice(0, MAX_LINES).join("; ");
  const last =
    said
      .trim()
      .split("\n")
      .at(-1)
      ?.replace(/^Error: /, "") ?? "";
  return withAdvice(told === "" ? last.slice(-400) : `CRIU: ${told}`);
}
