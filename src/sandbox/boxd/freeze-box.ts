import { readdirSync, readFileSync } from "node:fs";

/** A tree that forks as fast as it is stopped is given up on; a copy of it would be torn either way. */
const MAX_ROUNDS = 50;

/** What was stopped here, in the order in which it was, and how many want it to stand still. */
const still = new Set<number>();
let holds = 0;

/**
 * Stops every other process of a contained box, whatever session it made for itself, so that files can be copied at rest. boxd sees no
 * process but the box's own, and the first of them is only there to bury the others. What the box itself has stopped stays as it is.
 *
 * @returns what lets them go on, once nobody else wants them to stand still
 */
export function freezeBox(): () => void {
  holds++;
  sendToOthers("SIGSTOP", (pid) => still.has(pid) || !isStopped(pid), still);
  let isHeld = true;
  return () => {
    if (!isHeld) return;
    isHeld = false;
    if (--holds > 0) return;
    // The youngest first: a shell must not find that a child of its own stands still.
    for (const pid of [...still].toReversed()) send(pid, "SIGCONT");
    still.clear();
  };
}

/** Kills every other process of a contained box. */
export function killBox(): void {
  // Where they fork faster than they are found, one call takes all that are there, the host's line too, and the kernel lets nobody fork meanwhile.
  if (!sendToOthers("SIGKILL")) send(-1, "SIGKILL");
}

/**
 * Each process is sent the signal once: one that was killed is seen until it is buried.
 *
 * @param isMeant whether a process is meant; default: each
 * @param reached takes those that were sent it
 * @returns whether there is none left that was not looked at
 */
function sendToOthers(
  signal: NodeJS.Signals,
  isMeant = (_pid: number): boolean => true,
  reached = new Set<number>(),
): boolean {
  const seen = new Set<number>();
  for (let round = 0; round < MAX_ROUNDS; round++) {
    // What was forked meanwhile is found in the next round.
    const fresh = listOthers().filter((pid) => !seen.has(pid));
    if (fresh.length === 0) return true;
    for (const pid of fresh) {
      seen.add(pid);
      if (!isMeant(pid)) continue;
      send(pid, signal);
      reached.add(pid);
    }
  }
  return false;
}

function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
  } catch {
    return false;
  }
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
