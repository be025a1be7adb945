import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { onAbort } from "./abort.ts";

/** What a finished command left behind. A failing command is a result, never an exception. */
export interface ProcessResult {
  /** Absent when the process was killed or never started. */
  readonly exitCode: number | undefined;
  readonly signal?: string;
  readonly stdout: string;
  readonly stderr: string;
  /** Both outputs in the order in which they came. */
  readonly all: string;
  readonly timedOut: boolean;
  readonly aborted: boolean;
  /** True when the output went past `maxOutputBytes`; the process was killed then. */
  readonly truncated: boolean;
  /** True when there is no such program. */
  readonly notFound: boolean;
  readonly durationMs: number;
}

export interface RunProcessOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Whether the child also gets this process's environment. Default false: nothing leaks unless it is asked for. */
  readonly extendEnv?: boolean;
  /** Default: no limit. */
  readonly timeoutMs?: number;
  /** Per output. Default 10 MiB. */
  readonly maxOutputBytes?: number;
  readonly signal?: AbortSignal;
  readonly input?: string | Uint8Array;
  /** Only the command itself is ever killed, and what it started goes on when it is: for what breaks things where it is ended in the middle. Default false. */
  readonly sparesChildren?: boolean;
}

/** How long the outputs of a command that has ended are still read. */
const DRAIN_MS = 500;

/** Kills a process group; a group that is gone already is no error. */
export function killGroup(pid: number, signal: NodeJS.Signals = "SIGKILL"): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/**
 * Runs a command to its end. The command leads a process group of its own, and the whole group is killed
 * when the time is over, the signal fires or the output is too large: a test runner's children must not live on.
 */
export async function runProcess(command: readonly string[], options: RunProcessOptions = {}): Promise<ProcessResult> {
  const [file, ...args] = command as [string, ...string[]];
  const startedAt = performance.now();
  // Loaded on first use: it takes longer to load than boxd needs to start, and boxd may never run a command.
  const { execa } = await import("execa");
  const child = execa(file, args, {
    reject: false,
    detached: true,
    cleanup: false,
    all: true,
    stripFinalNewline: false,
    extendEnv: options.extendEnv ?? false,
    maxBuffer: options.maxOutputBytes ?? 10 * 1024 * 1024,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.input === undefined ? { stdin: "ignore" as const } : { input: options.input }),
  });
  let timedOut = false;
  let aborted = false;
  const kill = (): void => {
    if (child.pid === undefined) return;
    if (options.sparesChildren === true) child.kill("SIGKILL");
    else killGroup(child.pid);
  };
  const off = onAbort(options.signal, () => {
    aborted = true;
    kill();
  });
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          kill();
        }, options.timeoutMs);
  let drain: NodeJS.Timeout | undefined;
  // When the leader is gone its descendants may still hold the pipes open: end them, or the result never comes.
  child.once("exit", () => {
    kill();
    // One that made a session of its own was not in the group; what it goes on to say is not part of this result.
    drain = setTimeout(() => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, DRAIN_MS);
  });
  try {
    const result = await child;
    return {
      exitCode: result.exitCode,
      ...(result.signal === undefined ? {} : { signal: result.signal }),
      stdout: result.stdout,
      stderr: result.stderr,
      all: result.all ?? "",
      timedOut,
      aborted,
      truncated: result.isMaxBuffer,
      notFound: result.code === "ENOENT",
      durationMs: performance.now() - startedAt,
    };
  } finally {
    clearTimeout(timer);
    clearTimeout(drain);
    off();
    kill();
  }
}

export interface StartProcessOptions {
  readonly cwd?: string;
  /** The child's whole environment. */
  readonly env: Record<string, string>;
  /** `pipe` for a protocol over stdio; a file descriptor or `ignore` for a process that outlives this one. */
  readonly stdio: ("pipe" | "ignore" | number)[];
  /** A session of its own: it is not killed with this process's group, and does not keep this process alive. */
  readonly detached: boolean;
}

/** Starts a long-lived process. It leads a group of its own, so that {@link killGroup} reaches its children. */
export function startProcess(command: readonly string[], options: StartProcessOptions): ChildProcess {
  const [file, ...args] = command as [string, ...string[]];
  const nothing = openSync("/dev/null", "r+");
  try {
    const child = spawn(file, args, {
      env: options.env,
      stdio: coverInherited(options.stdio, nothing),
      detached: true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    if (options.detached) child.unref();
    return child;
  } finally {
    closeSync(nothing);
  }
}

/** In the flags of a descriptor: it is closed when another program is executed. */
const CLOSE_ON_EXEC = 0o2000000;

/**
 * Puts nothing in the place of each descriptor that this process was itself started with: Node passes those on, and what a child can write to
 * or read from is decided here alone.
 */
function coverInherited(stdio: StartProcessOptions["stdio"], nothing: number): StartProcessOptions["stdio"] {
  const covered = [...stdio];
  for (const inherited of listInherited()) {
    while (covered.length <= inherited) covered.push("ignore");
    if (inherited >= stdio.length) covered[inherited] = nothing;
  }
  return covered;
}

function listInherited(): number[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((descriptor) => {
      if (descriptor <= 2) return false;
      try {
        const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8"))?.[1] ?? "0";
        return (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
      } catch {
        return false;
      }
    });
}
