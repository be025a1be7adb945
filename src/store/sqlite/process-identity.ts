import { readFileSync, readlinkSync } from "node:fs";

/**
 * Which process holds a lease, precisely enough to say later that it is gone: boot, pid namespace, pid and start time.
 * A pid alone is used again, and means nothing after a reboot or in another container.
 */
export interface ProcessIdentity {
  readonly boot: string;
  readonly namespace: string;
  readonly pid: number;
  readonly startedAt: string;
}

/** This process, or undefined where the system does not tell; a lease is then only over when its time is. */
export function readOwnIdentity(): ProcessIdentity | undefined {
  try {
    const place = readPlace();
    const startedAt = readStartTime(process.pid);
    return startedAt === undefined ? undefined : { ...place, pid: process.pid, startedAt };
  } catch {
    return undefined;
  }
}

function readPlace(): Pick<ProcessIdentity, "boot" | "namespace"> {
  return {
    boot: readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim(),
    namespace: readlinkSync("/proc/self/ns/pid"),
  };
}

/** The start time in clock ticks since boot; undefined for a process that is gone, or dead and only not reaped yet. */
function readStartTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" || (error as NodeJS.ErrnoException).code === "ESRCH")
      return undefined;
    throw error;
  }
  // The name of the program stands in parentheses and may hold anything, also spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

/** True only where it is certain; every doubt (another boot, another namespace, no /proc) is false. */
export function isProvablyDead(identity: ProcessIdentity): boolean {
  try {
    const place = readPlace();
    if (place.boot !== identity.boot || place.namespace !== identity.namespace) return false;
    return readStartTime(identity.pid) !== identity.startedAt;
  } catch {
    return false;
  }
}

export function encodeIdentity(identity: ProcessIdentity | undefined): string | null {
  return identity === undefined ? null : JSON.stringify(identity);
}

export function parseIdentity(text: string | null): ProcessIdentity | undefined {
  if (text === null) return undefined;
  try {
    return JSON.parse(text) as ProcessIdentity;
  } catch {
    return undefined;
  }
}
