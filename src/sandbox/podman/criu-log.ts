import { readFile } from "node:fs/promises";

const MAX_LINES = 3;

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
    );
  const told = [...new Set(errors)].slice(0, MAX_LINES).join("; ");
  const last =
    said
      .trim()
      .split("\n")
      .at(-1)
      ?.replace(/^Error: /, "") ?? "";
  return told === "" ? last.slice(-400) : `CRIU: ${told}`;
}
