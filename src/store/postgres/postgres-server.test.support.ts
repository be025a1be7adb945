import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * A real Postgres for tests. A supervisor of its own holds the server and ends it, with its data, when the process that it was
 * started for is gone, however that one ended.
 */
const SUPERVISOR = fileURLToPath(new URL("./postgres-server-main.test.support.js", import.meta.url));

interface ServerFile {
  readonly url: string;
  readonly folder: string;
  readonly supervisor: number;
}

export interface PostgresServer {
  /** The URL of a database of its own. */
  readonly url: string;
  /** The server's own folder; `postmaster.pid` in it names its process. */
  readonly folder: string;
  /** Ends the server as SIGKILL or SIGQUIT would, or in order, and starts it again. Resolves when it takes connections. */
  restart(how?: "SIGINT" | "SIGQUIT" | "SIGKILL"): Promise<void>;
  stop(): Promise<void>;
}

/** The server that all test files of one run share; the first one that asks starts it. */
export async function shareServer(): Promise<string> {
  // The process that runs the tests' workers.
  const owner = process.ppid;
  const place = join(tmpdir(), `skein-postgres-tests-${owner}`);
  try {
    mkdirSync(place);
  } catch {
    return (await readWhenThere(place)).url;
  }
  startSupervisor(place, owner, []);
  return (await readWhenThere(place)).url;
}

let count = 0;

/** A server of one's own, for a test that stops it. */
export async function startServer(flags: readonly string[] = []): Promise<PostgresServer> {
  const place = join(tmpdir(), `skein-postgres-own-${process.pid}-${count++}`);
  mkdirSync(place);
  startSupervisor(place, process.pid, flags);
  const { url, folder, supervisor } = await readWhenThere(place);
  const ended = new Set<string>();
  const stop = async (): Promise<void> => {
    if (ended.has(place)) return;
    ended.add(place);
    process.kill(supervisor, "SIGTERM");
    while (isAlive(supervisor)) await pause();
    rmSync(place, { recursive: true, force: true });
  };
  return {
    url,
    folder,
    async restart(how = "SIGINT") {
      const before = readGeneration(place);
      writeFileSync(join(place, "restart"), how);
      process.kill(supervisor, "SIGUSR2");
      while (readGeneration(place) === before) await pause();
    },
    stop,
  };
}

function startSupervisor(place: string, owner: number, flags: readonly string[]): void {
  const child = spawn(process.execPath, [SUPERVISOR, place, `${owner}`, ...flags], { detached: true, stdio: "ignore" });
  child.unref();
}

async function readWhenThere(place: string): Promise<ServerFile> {
  for (let waited = 0; waited < 1_200; waited++) {
    try {
      const text = readFileSync(join(place, "server.json"), "utf8");
      const answer = JSON.parse(text) as ServerFile & { readonly error?: string };
      if (answer.error !== undefined) throw new Error(`Postgres did not start: ${answer.error}`);
      return answer;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    await pause();
  }
  throw new Error(`Postgres did not start in ${place}.`);
}

function readGeneration(place: string): string {
  return readFileSync(join(place, "generation"), "utf8");
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 25));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
