import { readFileSync, readlinkSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/**
 * One process and no other. A pid alone is used again, and means nothing after a reboot or in another container; so the boot, the pid
 * namespace and the moment of the start belong to it. Those are absent where the system does not tell (no `/proc`).
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly boot?: string;
  readonly namespace?: string;
  /** In the kernel's ticks since the boot. */
  readonly startedAt?: string;
}

const GONE_MS = 10_000;

/** The process that has this pid now; undefined: none, or only the remains of one. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  if (process.platform !== "linux") return isThere(pid) ? { pid } : undefined;
  try {
    const startedAt = readStartTime(pid);
    return startedAt === undefined ? undefined : { pid, ...readPlace(), startedAt };
  } catch {
    return undefined;
  }
}

/** This process, as precisely as the system tells. */
export function ownIdentity(): ProcessIdentity {
  return identifyProcess(process.pid) ?? { pid: process.pid };
}

/** True where that very process runs, and can be seen from here. */
export function isAlive(identity: ProcessIdentity): boolean {
  const now = identifyProcess(identity.pid);
  return (
    now !== undefined &&
    now.startedAt === identity.startedAt &&
    now.boot === identity.boot &&
    now.namespace === identity.namespace
  );
}

/** True where it may well run, but in another container of this machine, where it cannot be seen from here. */
export function isElsewhere(identity: ProcessIdentity): boolean {
  if (identity.namespace === undefined) return false;
  try {
    const place = readPlace();
    return place.boot === identity.boot && place.namespace !== identity.namespace;
  } catch {
    return false;
  }
}

/** True only where it is certain; every doubt (another boot, another namespace, a system that does not tell) is false. */
export function isProvablyDead(identity: ProcessIdentity): boolean {
  try {
    const place = readPlace();
    if (identity.startedAt === undefined || place.boot !== identity.boot || place.namespace !== identity.namespace)
      return false;
    return readStartTime(identity.pid) !== identity.startedAt;
  } catch {
    return false;
  }
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

let place: { readonly boot: string; readonly namespace: string } | undefined;

function readPlace(): { readonly boot: string; readonly namespace: string } {
  return (place ??= {
    boot: readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim(),
    namespace: readlinkSync("/proc/self/ns/pid"),
  });
}

/** The start time in clock ticks since boot; undefined for a process that is gone, or dead and only not reaped yet. */
function readStartTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
  // The name of the program stands in parentheses and may hold anything, also spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
