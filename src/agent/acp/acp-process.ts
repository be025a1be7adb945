import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { BackendError } from "../../errors.ts";
import { killGroup, startProcess } from "../../internal/spawn-process.ts";

const STDERR_TAIL = 2048;
/** A grandchild may hold stdout open after the agent is gone; what the agent itself wrote is read long before this. */
const DRAIN_MS = 500;

export interface AcpProcessOptions {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Hears everything that the agent writes to stderr. */
  readonly onStderr?: (text: string) => void;
}

/** An agent's process: two pipes for the protocol, the last words of its stderr, and one promise that says how it ended. */
export class AcpProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Resolves, never rejects, once the process is gone and its output was read: with the error that its users should throw. */
  readonly ended: Promise<BackendError>;
  readonly #child: ChildProcess;
  #stderr = "";
  #hasEnded = false;

  constructor(options: AcpProcessOptions) {
    const program = options.command[0] as string;
    this.#child = startProcess(options.command, {
      cwd: options.cwd,
      env: { ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: false,
    });
    this.stdin = this.#child.stdin as Writable;
    this.stdout = this.#child.stdout as Readable;
    // Writing to an agent that has just died is reported by its end, not by its pipe.
    this.stdin.on("error", () => {});
    this.stdout.on("error", () => {});
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL);
      options.onStderr?.(text);
    });
    this.ended = new Promise((resolve) => {
      const finish = (error: BackendError): void => {
        this.#hasEnded = true;
        resolve(error);
      };
      this.#child.once("error", (cause: NodeJS.ErrnoException) => {
        if (this.#child.pid !== undefined) return;
        if (cause.code === "ENOENT" || cause.code === "EACCES") {
          finish(
            new BackendError(
              "agent_not_found",
              `The agent's program "${program}" cannot be started here (${cause.code}); install it where the box can see it, or name another agent.`,
              { cause },
            ),
          );
        } else {
          finish(
            new BackendError(
              "agent_failed",
              `The agent's program "${program}" could not be started: ${cause.message}.`,
              { cause },
            ),
          );
        }
      });
      this.#child.once("exit", (code, signal) => {
        const timer = setTimeout(() => finish(this.#exitError(program, code, signal)), DRAIN_MS);
        this.#child.once("close", () => {
          clearTimeout(timer);
          finish(this.#exitError(program, code, signal));
        });
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Sends a signal to the agent and the children in its group. Tools that made sessions of their own die with the box. */
  signal(signal: NodeJS.Signals): void {
    if (this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null)
      killGroup(this.#child.pid, signal);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }

  #exitError(program: string, code: number | null, signal: NodeJS.Signals | null): BackendError {
    const how = code === null ? `was killed by ${signal ?? "a signal"}` : `exited with code ${code}`;
    const words = this.#stderr.trim();
    return new BackendError(
      "agent_exited",
      `The agent "${program}" ${how}.${words === "" ? "" : ` Its last words: ${words}`}`,
    );
  }
}
