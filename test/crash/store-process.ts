import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("./store-child.mjs", import.meta.url));

/** A child process that uses a store, and what it has said so far. */
export class StoreProcess {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  readonly lines: string[] = [];
  readonly #exited: Promise<unknown>;
  #waiting: (() => void)[] = [];

  /** @param environment what is added to this process's own, such as a kill point */
  constructor(
    mode: "append" | "recover" | "import" | "hold" | "stream" | "migrate" | "prune",
    path: string,
    options: object = {},
    environment: object = {},
  ) {
    this.child = spawn(process.execPath, [SCRIPT, mode, path, JSON.stringify(options)], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...environment },
    });
    this.#exited = once(this.child, "close");
    const reader = createInterface({ input: this.child.stdout });
    reader.on("line", (line) => this.#hear(line));
    void this.#exited.then(() => this.#wake());
  }

  #hear(line: string): void {
    this.lines.push(line);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  tell(line: string): void {
    this.child.stdin.write(`${line}\n`);
  }

  /** The first line from `from` on that begins with `start`; undefined where the process ends without it. */
  async hears(start: string, from = 0): Promise<string | undefined> {
    for (;;) {
      const found = this.lines.slice(from).find((line) => line.startsWith(start));
      if (found !== undefined) return found;
      if (this.child.exitCode !== null || this.child.signalCode !== null) return undefined;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Waits until it has ended and all that it said has been read. */
  async ended(): Promise<void> {
    await this.#exited;
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended();
  }
}
