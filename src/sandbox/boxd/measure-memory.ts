import { readdir, readFile, statfs } from "node:fs/promises";

/** What a box holds of the machine beside its files. */
export interface BoxMemory {
  readonly bytes: number;
  /** As the kernel counts processes: each of their threads. */
  readonly threads: number;
}

/** File systems of a box that lie in memory. */
const IN_MEMORY = ["/tmp", "/dev/shm"];
/** What the kernel keeps of a file there, also of one without content. */
const NAME_BYTES = 1024;

/**
 * Memory of all processes that can be seen, swapped out or not, with what lies in file systems that are memory. Pages of files on a disk are not
 * counted: the kernel takes them back when it needs them. What processes share counts once as soon as the sum would be past `enough`; below that
 * the rougher sum will do, which takes far less of the processor.
 */
export async function measureMemory(enough: number): Promise<BoxMemory> {
  const processes: { readonly pid: string; readonly own: number; readonly shared: number }[] = [];
  let threads = 0;
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    // One that has ended since has nothing any more.
    const status = await readFile(`/proc/${pid}/status`, "latin1").catch(() => "");
    // The first one is there to bury the others, and no limit of the box's user counts it.
    if (pid !== "1") threads += readCount(status, "Threads");
    processes.push({
      pid,
      own: readKilobytes(status, "RssAnon") + readKilobytes(status, "VmSwap"),
      shared: readKilobytes(status, "RssShmem"),
    });
  }
  const held = await measureHeld();
  let own = 0;
  let shared = 0;
  for (const process of processes) {
    own += process.own;
    shared += process.shared;
  }
  // Files in memory may be mapped too, and are not counted twice.
  const rough = own + Math.max(shared, held);
  if (rough <= enough) return { bytes: rough, threads };
  own = 0;
  shared = 0;
  for (const process of processes) {
    const exact = await readShares(process.pid);
    own += exact?.own ?? process.own;
    shared += exact?.shared ?? process.shared;
  }
  return { bytes: own + Math.max(shared, held), threads };
}

/** A process's part of what it shares; undefined where it keeps that to itself. */
async function readShares(pid: string): Promise<{ readonly own: number; readonly shared: number } | undefined> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "latin1").catch(() => "");
  if (!rollup.includes("Pss_Anon:")) return undefined;
  return {
    own: readKilobytes(rollup, "Pss_Anon") + readKilobytes(rollup, "SwapPss"),
    shared: readKilobytes(rollup, "Pss_Shmem"),
  };
}

async function measureHeld(): Promise<number> {
  let sum = 0;
  for (const path of IN_MEMORY) {
    const { bsize, blocks, bfree, files, ffree } = await statfs(path);
    sum += bsize * (blocks - bfree) + NAME_BYTES * (files - ffree);
  }
  return sum;
}

function readKilobytes(text: string, name: string): number {
  return 1024 * readCount(text, name);
}

function readCount(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
}
