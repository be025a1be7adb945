import { readdirSync, readFileSync } from "node:fs";

const LOOK_MS = 100;
/** Measuring takes at most about this part of boxd's time. */
const REST = 20;
/** What was not used is kept for so long. */
const CREDIT_MS = 200;
/** Nothing stands still for longer at a time, so that what is asked of it is heard. */
const LONGEST_MS = 2000;
/** The unit of `/proc/PID/stat`, the same on every Linux. */
const TICK_MS = 10;

/**
 * Keeps the processor time of a contained box, as a whole, at `cores` where no control group does: it is measured again and again, and a box that
 * is ahead of its share stands still until it is not. boxd itself is not counted, because it is what goes on.
 *
 * @param freeze makes everything else in the box stand still; gives back what lets it go on
 */
export function watchCpu(cores: number, freeze: () => () => void): void {
  let lookedAt = performance.now();
  let used = readUsedMs();
  let creditMs = 0;
  const look = (): void => {
    const began = process.cpuUsage();
    const now = performance.now();
    const usedNow = readUsedMs();
    // What ended without being waited for takes its time with it.
    creditMs = Math.min(cores * CREDIT_MS, creditMs + cores * (now - lookedAt) - Math.max(0, usedNow - used));
    lookedAt = now;
    used = usedNow;
    const { user, system } = process.cpuUsage(began);
    const goOn = (): void => void setTimeout(look, Math.max(LOOK_MS, (REST * (user + system)) / 1000));
    if (creditMs >= 0) return goOn();
    const thaw = freeze();
    setTimeout(
      () => {
        thaw();
        goOn();
      },
      Math.min(LONGEST_MS, -creditMs / cores),
    );
  };
  look();
}

/** Processor time of all processes that can be seen, and of those that they have waited for. */
function readUsedMs(): number {
  let ticks = 0;
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const [own, waitedFor] = readTicks(pid);
    ticks += Number(pid) === process.pid ? waitedFor : own + waitedFor;
  }
  return ticks * TICK_MS;
}

function readTicks(pid: string): readonly [own: number, waitedFor: number] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The fields after the name, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15).map(Number);
    return [user + system, childUser + childSystem];
  } catch {
    // It has ended since.
    return [0, 0];
  }
}
