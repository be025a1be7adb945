import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { BoxLimits } from "../sandbox.ts";

const ROOT = "/sys/fs/cgroup";
const OURS = "skein";
const PERIOD_US = 100_000;
const CONTROLLERS = ["memory", "pids", "cpu"] as const;
/** How long the kernel may take to let go of a group whose processes are dead. */
const GONE_MS = 2000;

/** Which kind of control groups this process may make: version 2 has one tree, version 1 one for each resource. */
export type CgroupKind = "v1" | "v2";

/** Finds out by making a group and taking it away again; undefined where it may not. */
export function findCgroups(): CgroupKind | undefined {
  const kind = existsSync(join(ROOT, "cgroup.controllers")) ? "v2" : "v1";
  const name = `probe-${process.pid}`;
  try {
    if (kind === "v2") openController();
    for (const folder of foldersOf(kind, name)) mkdirSync(folder, { recursive: true });
    const isWhole = toSettings(kind, name, { memoryMb: 64, pids: 16, cpu: 1 }).every(([file]) => existsSync(file));
    return isWhole ? kind : undefined;
  } catch {
    return undefined;
  } finally {
    removeFolders(kind, name);
  }
}

/**
 * Makes the groups of a box, with its limits: unlike an rlimit each holds for the whole box.
 *
 * @returns the beginning of a command, which puts whatever follows it into the groups
 */
export function createBoxCgroup(kind: CgroupKind, boxId: string, limits: BoxLimits): string[] {
  const folders = foldersOf(kind, boxId);
  for (const folder of folders) mkdirSync(folder, { recursive: true });
  for (const [file, value] of toSettings(kind, boxId, limits)) writeFileSync(file, value);
  // The shell enters and becomes the program: nothing of the box ever runs outside its groups.
  const enter = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 97; shift; done; shift; exec "$@"';
  return ["/bin/sh", "-c", enter, "sh", ...folders.map((folder) => join(folder, "cgroup.procs")), "--"];
}

/** Takes the groups of a box away, once everything in them is dead. One that has none is no error. */
export async function removeBoxCgroup(boxId: string): Promise<void> {
  const deadline = performance.now() + GONE_MS;
  for (const kind of ["v1", "v2"] as const) {
    while (removeFolders(kind, boxId) && performance.now() < deadline) await delay(10);
  }
}

function foldersOf(kind: CgroupKind, name: string): string[] {
  return kind === "v2" ? [join(ROOT, OURS, name)] : CONTROLLERS.map((controller) => join(ROOT, controller, OURS, name));
}

function toSettings(
  kind: CgroupKind,
  name: string,
  { memoryMb, pids, cpu }: BoxLimits,
): [file: string, value: string][] {
  const file = (controller: string, setting: string): string =>
    kind === "v2" ? join(ROOT, OURS, name, setting) : join(ROOT, controller, OURS, name, setting);
  const settings: [string, string][] = [];
  if (memoryMb !== undefined)
    settings.push([file("memory", kind === "v2" ? "memory.max" : "memory.limit_in_bytes"), `${Math.round(memoryMb)}M`]);
  if (pids !== undefined) settings.push([file("pids", "pids.max"), `${Math.round(pids)}`]);
  if (cpu !== undefined) {
    const quota = Math.max(1000, Math.round(cpu * PERIOD_US));
    if (kind === "v2") settings.push([file("cpu", "cpu.max"), `${quota} ${PERIOD_US}`]);
    else settings.push([file("cpu", "cpu.cfs_quota_us"), `${quota}`]);
  }
  return settings;
}

/** In version 2 a group has only what its parents give on. */
function openController(): void {
  mkdirSync(join(ROOT, OURS), { recursive: true });
  for (const folder of [ROOT, join(ROOT, OURS)])
    writeFileSync(join(folder, "cgroup.subtree_control"), CONTROLLERS.map((name) => `+${name}`).join(" "));
}

/** @returns whether something is left that still has processes */
function removeFolders(kind: CgroupKind, name: string): boolean {
  let isLeft = false;
  for (const folder of foldersOf(kind, name)) {
    try {
      rmdirSync(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EBUSY") isLeft = true;
    }
  }
  return isLeft;
}
