import { readdirSync, readFileSync } from "node:fs";

/** A tree that forks as fast as it is stopped is given up on; a copy of it would be torn either way. */
const MAX_ROUNDS = 50;

/**
 * Stops every other process of a contained box, whatever session it made for itself, so that files can be copied at rest. boxd sees no
 * process but the box's own, and the first of them is only there to bury the others.
 *
 * @returns what lets them go on
 */
export function freezeBox(): () => void {
  const { reached } = sendToOthers("SIGSTOP");
  return () => {
    for (const pid of reached) send(pid, "SIGCONT");
  };
}

/** Kills every other process of a contained box. */
export function killBox(): void {
  // Where they fork faster than they are found, one call takes all that are there, the host's line too, and the kernel lets nobody fork meanwhile.
  if (!sendToOthers("SIGKILL").isEach) send(-1, "SIGKILL");
}

/** Each process is sent the signal once: one that was killed is seen until it is buried. */
function sendToOthers(signal: NodeJS.Signals): { readonly reached: ReadonlySet<number>; readonly isEach: boolean } {
  const reached = new Set<number>();
  for (let round = 0; round < MAX_ROUNDS; round++) {
    // What was forked meanwhile is found in the next round.
    const fresh = listOthers().filter((pid) => !reached.has(pid));
    if (fresh.length === 0) return { reached, isEach: true };
    for (const pid of fresh) {
      send(pid, signal);
      reached.add(pid);
    }
  }
  return { reached, isEach: false };
}

function listOthers(): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid > 1 && pid !== process.pid && !isRelay(pid));
}

/**
 * The host's own line into a box that it reaches by nothing else: what ends the standstill comes over it. Its parent is outside of the box, where
 * nothing that was started in the box can have its own.
 */
const RELAY = /^node\0\/opt\/skein\/.*\/relay-main\.js\0/;

function isRelay(pid: number): boolean {
  try {
    const isFromOutside = /^PPid:\t0$/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
    return isFromOutside && RELAY.test(readFileSync(`/proc/${pid}/cmdline`, "latin1"));
  } catch {
    return false;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}
