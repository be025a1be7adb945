import type { Stats } from "node:fs";
import { lstat, opendir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

/** A file without content takes a place on the disk too; so many files are bounded like much content. */
const LEAST_BYTES = 4096;
const BLOCK = 512;

export interface MeasureOptions {
  /** The sum at which it may stop counting. */
  readonly enough: number;
  /** Whether every process that can be seen counts. */
  readonly ownsProcesses: boolean;
  /** What else of the folders' file system may be written to. Of it counts what was changed since that time, a file's own content or not. */
  readonly layer?: DiskLayer;
}

/** The files of a container beside its workspace and home: the image's, which cost the box nothing until it changes them. */
export interface DiskLayer {
  readonly root: string;
  /** Milliseconds since the epoch. The time of a change is the kernel's own: nothing in a box can set it. */
  readonly sinceMs: number;
}

/**
 * Bytes on the disk that are held by what lies in the folders, links not followed and hard links counted once. What was deleted while a process
 * has it open or mapped still takes its place: it is found through the box's processes.
 */
export async function measureDisk(
  folders: readonly string[],
  { enough, ownsProcesses, layer }: MeasureOptions,
): Promise<number> {
  const seen = new Set<string>();
  const devices = new Set<number>();
  let sum = 0;
  const count = (stats: Stats, ofLayer: boolean): void => {
    if (ofLayer && stats.ctimeMs < (layer?.sinceMs ?? 0)) return;
    if (stats.nlink > 1 && !stats.isDirectory()) {
      const inode = `${stats.dev}:${stats.ino}`;
      if (seen.has(inode)) return;
      seen.add(inode);
    }
    sum += Math.max(LEAST_BYTES, stats.blocks * BLOCK);
  };
  const waiting = folders.map((path) => ({ path, ofLayer: false }));
  // The least first: what is looked at last is taken out first.
  if (layer !== undefined) waiting.unshift({ path: layer.root, ofLayer: true });
  const device = layer === undefined ? undefined : (await lstat(layer.root)).dev;
  for (let folder = waiting.pop(); folder !== undefined && sum < enough; folder = waiting.pop()) {
    const { path: own, ofLayer } = folder;
    const stats = await lstat(own).catch(() => undefined);
    if (stats === undefined || (ofLayer && stats.dev !== device)) continue;
    devices.add(stats.dev);
    count(stats, ofLayer);
    // A folder that is taken away while it is read is no longer of interest.
    const entries = await opendir(own).catch(() => undefined);
    if (entries === undefined) continue;
    try {
      for await (const entry of entries) {
        const path = join(own, entry.name);
        if (entry.isDirectory()) {
          if (!ofLayer || !folders.includes(path)) waiting.push({ path, ofLayer });
        } else {
          const file = await lstat(path).catch(() => undefined);
          if (file !== undefined) count(file, ofLayer);
        }
        if (sum >= enough) break;
      }
    } catch {
      // As above.
    }
  }
  const roots = layer === undefined ? folders : [layer.root];
  return sum >= enough || !ownsProcesses ? sum : sum + (await measureDeleted(roots, devices));
}

async function measureDeleted(folders: readonly string[], devices: ReadonlySet<number>): Promise<number> {
  const held = new Map<string, number>();
  for (const name of await readdir("/proc").catch(() => [])) {
    if (!/^\d+$/.test(name)) continue;
    for (const descriptor of await readdir(`/proc/${name}/fd`).catch(() => [])) {
      // The descriptor is followed to the file itself, which no path leads to any more; nothing is opened.
      const stats = await stat(`/proc/${name}/fd/${descriptor}`).catch(() => undefined);
      if (stats?.isFile() === true && stats.nlink === 0 && devices.has(stats.dev))
        held.set(`${stats.ino}`, Math.max(LEAST_BYTES, stats.blocks * BLOCK));
    }
    const maps = await readFile(`/proc/${name}/maps`, "utf8").catch(() => "");
    for (const [inode, bytes] of readDeletedMaps(maps, folders)) held.set(inode, Math.max(held.get(inode) ?? 0, bytes));
  }
  let sum = 0;
  for (const bytes of held.values()) sum += bytes;
  return sum;
}

/** The inodes of files under the folders that a process has mapped and nobody can open any more, with as many bytes as are mapped. */
export function readDeletedMaps(maps: string, folders: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  if (!maps.includes(" (deleted)")) return found;
  for (const line of maps.split("\n")) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ (\d+) +(\/.*) \(deleted\)$/.exec(line);
    if (match === null) continue;
    const [, start = "", end = "", inode = "", path = ""] = match;
    if (!folders.some((folder) => path.startsWith(folder.endsWith("/") ? folder : `${folder}/`))) continue;
    found.set(inode, (found.get(inode) ?? 0) + Number.parseInt(end, 16) - Number.parseInt(start, 16));
  }
  return found;
}
