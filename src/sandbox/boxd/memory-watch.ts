import { SandboxError } from "../../errors.ts";
import { measureMemory } from "./measure-memory.ts";

const LOOK_MS = 200;
/** Measuring takes at most about this part of boxd's time, unless it would be looked too seldom then. */
const REST = 20;
const SLOWEST_MS = 2000;
const MEGABYTE = 1024 * 1024;

export interface MemoryWatchOptions {
  readonly memoryMb?: number;
  readonly pids?: number;
  /** The box holds more than it may. Called once. */
  readonly onFull: (error: SandboxError) => void;
}

/**
 * Keeps the memory and the number of processes of a contained box, as a whole, below its limits where no control group does: both are measured
 * again and again. There is no wall in between, so a box that takes memory fast is past its limit for a moment, until it is found and ended.
 */
export function watchMemory({ memoryMb = Infinity, pids = Infinity, onFull }: MemoryWatchOptions): void {
  const look = async (): Promise<void> => {
    // Time of the processor, as for the disk: a machine that has much else to do must not make the watch rest longer.
    const began = process.cpuUsage();
    const used = await measureMemory(memoryMb * MEGABYTE).catch(() => undefined);
    const { user, system } = process.cpuUsage(began);
    if (used !== undefined && used.bytes > memoryMb * MEGABYTE)
      return onFull(toFull(`${memoryMb} MB of memory, its limit memoryMb`));
    if (used !== undefined && used.threads > pids) return onFull(toFull(`${pids} processes, its limit pids`));
    setTimeout(() => void look(), Math.min(SLOWEST_MS, Math.max(LOOK_MS, (REST * (user + system)) / 1000)));
  };
  void look();
}

function toFull(what: string): SandboxError {
  return new SandboxError(
    "box_memory_full",
    `The box has more than ${what}, so everything in it was ended; give the task a higher limit, or look at what it starts.`,
  );
}
