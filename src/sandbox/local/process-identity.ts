import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** One process and no other: pids are given again, so the moment of the start belongs to it, and the boot that it counts from. */
export interface ProcessIdentity {
  readonly pid: number;
  /** In the kernel's ticks since the boot; absent where there is no `/proc`. */
  readonly startTime?: string;
  readonly bootId?: string;
}

const GONE_MS = 10_000;

/** The process that has this pid now; undefined: none, or only the remains of one. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  if (process.platform !== "linux") return isThere(pid) ? { pid } : undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name in parentheses may hold anything, so the fields are counted from its end: state is the first, starttime the twentieth.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    return { pid, startTime: fields[19] as string, bootId: readBootId() };
  } catch {
    return undefined;
  }
}

export function ownIdentity(): ProcessIdentity {
  return identifyProcess(process.pid) ?? { pid: process.pid };
}

/** True where that very process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = identifyProcess(identity.pid);
  return now !== undefined && now.startTime === identity.startTime && now.bootId === identity.bootId;
}

/** Kills that very process and waits until it is gone. @returns false where it would not go */
export async function killAndWait(identity: ProcessIdentity): Promise<boolean> {
  const deadline = performance.now() + GONE_MS;
  for (let wait = 1; isAlive(identity); wait = Math.min(wait * 2, 50)) {
    if (performance.now() > deadline) return false;
    try {
      process.kill(identity.pid, "SIGKILL");
    } catch {
      // It went between the look and the shot.
    }
    await delay(wait);
  }
  return true;
}

/** Processes of this machine that name the box: in their command line, or in the environment that boxd gave them. */
export function findBoxProcesses(boxId: string): ProcessIdentity[] {
  if (process.platform !== "linux") return [];
  const found: ProcessIdentity[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if (holds(`/proc/${pid}/cmdline`, boxId) || holds(`/proc/${pid}/environ`, `${BOX_ID_VARIABLE}=${boxId}`)) {
      const identity = identifyProcess(pid);
      if (identity !== undefined) found.push(identity);
    }
  }
  return found;
}

/** Names the box in the environment of everything that runs in it. */
export const BOX_ID_VARIABLE = "SKEIN_BOX_ID";

function holds(file: string, word: string): boolean {
  try {
    return readFileSync(file, "utf8").split("\0").includes(word);
  } catch {
    return false;
  }
}

let bootId: string | undefined;

function readBootId(): string {
  return (bootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
