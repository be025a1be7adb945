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
  const stopped = new Set<number>();
  for (let round = 0; round < MAX_ROUNDS; round++) {
    // What was forked while we were stopping is found in the next round.
    const fresh = listOthers().filter((pid) => !stopped.has(pid));
    if (fresh.length === 0) break;
    for (const pid of fresh) {
      send(pid, "SIGSTOP");
      stopped.add(pid);
    }
  }
  return () => {
    for (const pid of stopped) send(pid, "SIGCONT");
  };
}

/** Kills every other process of a contained box; what is forked meanwhile is found in the next round. */
export function killBox(): void {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const others = listOthers();
    if (others.length === 0) return;
    for (const pid of others) send(pid, "SIGKILL");
  }
  // They fork faster than they are found: one call takes all that are there, and the kernel lets nobody fork meanwhile.
  send(-1, "SIGKILL");
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
