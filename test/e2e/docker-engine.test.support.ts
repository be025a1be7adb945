import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findFreePort } from "../../dist/internal/find-free-port.js";

/** An engine that speaks Docker's API: Podman's service. */
export interface TestEngine extends AsyncDisposable {
  /** As `openDockerSandbox` takes it. */
  readonly host: string;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
  /** Starts it again at the same address. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts Podman's service on a socket of its own, or on a port of the loopback, as an engine of another machine would be reached. */
export async function startEngine(kind: "unix" | "tcp"): Promise<TestEngine> {
  const folder = await mkdtemp(join(tmpdir(), "skein-engine-"));
  const socketPath = join(folder, "engine.sock");
  const port = kind === "tcp" ? await findFreePort() : 0;
  const host = kind === "tcp" ? `tcp://127.0.0.1:${port}` : `unix://${socketPath}`;
  let service: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    await rm(socketPath, { force: true });
    // A service that nobody talks to for so long ends by itself: a test that was killed cannot end it.
    const command = ["system", "service", "--time=300", host];
    service = spawn("podman", ["--cgroup-manager=cgroupfs", "--runtime=runc", ...command], {
      cwd: folder,
      stdio: "ignore",
    });
    let failure: string | undefined;
    service.once("error", (error) => (failure = error.message));
    service.once("exit", (code) => (failure ??= `it ended with ${code}`));
    while (!(await answers(kind === "tcp" ? { port, host: "127.0.0.1" } : { path: socketPath }))) {
      if (failure !== undefined) throw new Error(`the engine did not start: ${failure}`);
      await delay(50);
    }
  };
  const kill = async (): Promise<void> => {
    const running = service;
    service = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, "exit");
    running.kill("SIGKILL");
    await exited;
  };
  const stop = async (): Promise<void> => {
    await kill();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { host, kill, start, stop, [Symbol.asyncDispose]: stop };
}

async function answers(address: { port: number; host: string } | { path: string }): Promise<boolean> {
  const socket = connect(address as { path: string });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Removes the images that the engine keeps for a directory whose boxes and checkpoints are gone. */
export function removeImagesOf(directory: string): void {
  const label = readFileSync(join(directory, "engine-label"), "utf8");
  const filter = `--filter=label=skein.directory=${label}`;
  const list = (): string[] => {
    const listed = execFileSync("podman", ["images", "--all", "--quiet", filter], { encoding: "utf8" });
    return [...new Set(listed.split("\n").filter((line) => line !== ""))];
  };
  // One that others stand on goes only after them, and takes with it what nothing names any more.
  for (let left = list(), before = Infinity; left.length > 0; left = list()) {
    if (left.length >= before) throw new Error(`images of ${directory} cannot be removed: ${left.join(", ")}`);
    before = left.length;
    spawnSync("podman", ["rmi", ...left], { stdio: "ignore" });
  }
}
