import { statfs } from "node:fs/promises";
import { SandboxError } from "../../errors.ts";
import type { DiskLayer } from "./measure-disk.ts";
import { measureDisk } from "./measure-disk.ts";

/** How often it is looked how much of the disk has gone since the last measurement: one call to the kernel. */
const LOOK_MS = 200;
/** A measurement takes at most about this part of boxd's time. */
const REST = 20;
const SLOWEST_MS = 30_000;
/** Where too much of the disk has gone there is no time to rest long. */
const SUSPECT_REST = 2;
const SUSPECT_MS = 1000;
const MEGABYTE = 1024 * 1024;

export interface DiskWatchOptions {
  /** What may be written to in the box and lies on a disk. */
  readonly folders: readonly string[];
  readonly limitMb: number;
  /** What else of the box's is on the same disk. */
  readonly layer?: DiskLayer;
  /** Whether all processes that can be seen are the box's, so that what they hold open is the box's too. */
  readonly ownsProcesses: boolean;
  /** The box holds more than it may. Called once. */
  readonly onFull: (error: SandboxError) => void;
}

/**
 * Keeps the sum of what a box has on the disk below its limit: it is measured again and again, and at once when so much of the disk has gone as
 * would be too much. There is no wall in between, so a box that writes fast is past its limit for a moment, until it is found and ended.
 */
export class DiskWatch {
  readonly #options: DiskWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  #bytes = 0;
  #free = -1;
  #nextAt = 0;
  #suspectAt = 0;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#look();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    try {
      if (await this.#isDue()) await this.#measure();
    } catch {
      // A disk that cannot be asked now is asked again.
    }
    if (!this.#isStopped) this.#timer = setTimeout(() => void this.#look(), LOOK_MS);
  }

  /** Others use the same disk, so what has gone is only a suspicion; it is followed no more often than there is time for. */
  async #isDue(): Promise<boolean> {
    const free = await this.#freeBytes();
    if (this.#free < 0) this.#free = free;
    const now = performance.now();
    const isSuspect = this.#bytes + (this.#free - free) >= this.#options.limitMb * MEGABYTE;
    const dueInMs = (isSuspect ? this.#suspectAt : this.#nextAt) - now;
    // A box that is woken from a checkpoint on a machine that was started since finds that clock set back.
    if (dueInMs > 0 && dueInMs <= SLOWEST_MS) return false;
    this.#free = free;
    return true;
  }

  async #measure(): Promise<void> {
    const { folders, limitMb, ownsProcesses, layer, onFull } = this.#options;
    // Time of the processor and not of the clock: a machine that has much else to do must not make the watch rest longer.
    const began = process.cpuUsage();
    const enough = limitMb * MEGABYTE + 1;
    this.#bytes = await measureDisk(folders, { enough, ownsProcesses, ...(layer === undefined ? {} : { layer }) });
    const { user, system } = process.cpuUsage(began);
    const tookMs = (user + system) / 1000;
    const now = performance.now();
    this.#suspectAt = now + Math.min(SUSPECT_MS, tookMs * SUSPECT_REST);
    this.#nextAt = now + Math.min(SLOWEST_MS, Math.max(5 * LOOK_MS, tookMs * REST));
    if (this.#bytes <= limitMb * MEGABYTE || this.#isStopped) return;
    this.stop();
    onFull(
      new SandboxError(
        "box_disk_full",
        `The box has more than ${limitMb} MB on the disk, its limit diskMb, so everything in it was ended; give the task a higher limit, or look at what it writes.`,
      ),
    );
  }

  async #freeBytes(): Promise<number> {
    const { bsize, bfree, ffree } = await statfs(this.#options.folders[0] as string);
    // A place for a file counts as its least size does.
    return bsize * bfree + 4096 * ffree;
  }
}
