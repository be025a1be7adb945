import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach } from "vitest";
import { type ProcessResult, runProcess, startProcess } from "../internal/spawn-process.ts";

/** The compiled command, as a user starts it. */
const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

function environment(extra: Readonly<Record<string, string>>): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", HOME: tmpdir(), ...extra };
}

/** An empty folder that is gone after the test. */
export async function makeFolder(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "skein-cli-")));
  folders.push(folder);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}

/** Runs `skein` to its end. */
export function skein(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ProcessResult> {
  return runProcess([process.execPath, MAIN, ...args], { cwd, env: environment(env), timeoutMs: 110_000 });
}

export interface RunningSkein {
  /** Resolves with the first line of stdout, or stderr, that fits. */
  waitFor(pattern: RegExp): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Stops reading stdout, as `| head` does. */
  closeOutput(): void;
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Every whole line of stdout so far. */
  readonly lines: readonly string[];
}

/** Starts `skein`, or another build of it, and leaves it running. */
export function startSkein(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  main = MAIN,
): RunningSkein {
  const child = startProcess([process.execPath, main, ...args], {
    cwd,
    env: environment(env),
    stdio: ["ignore", "pipe", "pipe"],
    detached: false,
  });
  const lines: string[] = [];
  const said: string[] = [];
  const waiters = new Set<() => void>();
  const hear = (line: string): void => {
    said.push(line);
    for (const waiter of waiters) waiter();
  };
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on("line", (line) => (lines.push(line), hear(line)));
  if (child.stderr !== null) createInterface({ input: child.stderr }).on("line", hear);
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once("close", (code, signal) => resolve(code ?? signal ?? "SIGKILL"));
  });
  return {
    lines,
    ended,
    closeOutput: () => void child.stdout?.destroy(),
    kill: (signal) => void child.kill(signal),
    waitFor: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = said.find((line) => pattern.test(line));
          if (found === undefined) return;
          waiters.delete(look);
          resolve(found);
        };
        waiters.add(look);
        look();
        void ended.then(() => reject(new Error(`skein ended before it said ${String(pattern)}:\n${said.join("\n")}`)));
      }),
  };
}
