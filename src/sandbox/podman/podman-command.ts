import { existsSync } from "node:fs";
import { join } from "node:path";
import { SandboxError } from "../../errors.ts";
import type { ProcessResult } from "../../internal/spawn-process.ts";
import { runProcess } from "../../internal/spawn-process.ts";
import { describeFailure } from "../provider/index.ts";

/** Where `scripts/install-podman.sh` puts a CRIU that is newer than the distribution's. */
const CRIU_FOLDER = "/usr/local/lib/skein-criu/bin";
/** Where an administrator's programs are; they are often missing from a service's PATH. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const COMMAND_MS = 120_000;

export interface PodmanOptions {
  /** Default `podman`. */
  readonly program?: string;
  /** The OCI runtime. Default: runc where it is installed, else Podman's own choice. */
  readonly runtime?: string;
}

export interface PodmanRunOptions {
  /** Where it runs: the monitor of a container puts a mark there when memory is full. */
  readonly directory?: string;
  /** Where Podman keeps what it unpacks; what a killed one leaves lies there. */
  readonly scratch?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  /** What Podman started is not ended with it. */
  readonly sparesChildren?: boolean;
}

/** Runs Podman's command line, with the flags and the PATH that checkpoints need. */
export class PodmanCommand {
  /** The OCI runtime that Podman is told to use; undefined: Podman's own choice. */
  readonly runtime: string | undefined;
  readonly #base: readonly string[];
  readonly #path: string;
  readonly #program: string;

  constructor(options: PodmanOptions = {}) {
    const folders = [CRIU_FOLDER, ...(process.env["PATH"] ?? "").split(":"), ...SYSTEM_FOLDERS];
    this.#path = [...new Set(folders.filter((folder) => folder !== ""))].join(":");
    this.#program = options.program ?? "podman";
    this.runtime = options.runtime ?? (this.find("runc") === undefined ? undefined : "runc");
    this.#base = ["--cgroup-manager=cgroupfs", ...(this.runtime === undefined ? [] : ["--runtime", this.runtime])];
  }

  /** Where a program lies; undefined: nowhere. */
  find(name: string): string | undefined {
    return this.#path
      .split(":")
      .map((folder) => join(folder, name))
      .find((path) => existsSync(path));
  }

  /** A failing command is a result. */
  try(args: readonly string[], options: PodmanRunOptions = {}): Promise<ProcessResult> {
    return this.host([this.#program, ...this.#base, ...args], options);
  }

  /** Any program of this machine, with the same environment: no more of the host's than it needs. */
  host(
    command: readonly string[],
    { directory, scratch, signal, timeoutMs, sparesChildren }: PodmanRunOptions = {},
  ): Promise<ProcessResult> {
    const { HOME, XDG_RUNTIME_DIR } = process.env;
    return runProcess(command, {
      env: {
        PATH: this.#path,
        HOME: HOME ?? "/root",
        LC_ALL: "C",
        ...(XDG_RUNTIME_DIR === undefined ? {} : { XDG_RUNTIME_DIR }),
        ...(scratch === undefined ? {} : { TMPDIR: scratch }),
      },
      ...(directory === undefined ? {} : { cwd: directory }),
      timeoutMs: timeoutMs ?? COMMAND_MS,
      ...(signal === undefined ? {} : { signal }),
      ...(sparesChildren === undefined ? {} : { sparesChildren }),
    });
  }

  /** @throws SandboxError `box_create_failed` with Podman's own words */
  async run(args: readonly string[], options: PodmanRunOptions = {}): Promise<string> {
    const result = await this.try(args, options);
    options.signal?.throwIfAborted();
    if (result.exitCode === 0) return result.stdout.trim();
    throw new SandboxError("box_create_failed", `podman ${args[0] ?? ""} failed: ${describeFailure(result)}`, {
      retryable: result.timedOut,
    });
  }
}
