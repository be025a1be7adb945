import { readFileSync } from "node:fs";
import { runProcess } from "../../internal/spawn-process.ts";
import type { BoxLimits } from "../sandbox.ts";

/** Descriptors of one process: more than any build needs, and little of what the machine has. */
const MAX_OPEN = 65_536;

/** The own limit is the highest that can be given on. */
function readHighestOpen(): number {
  try {
    return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? MAX_OPEN);
  } catch {
    return MAX_OPEN;
  }
}

/**
 * A command that starts another with rlimits. They are cheap and need no rights, and they are not cgroups: each holds for one process, not for
 * the box. `memoryMb` bounds the data of each process, `diskMb` the size of each file, `pids` the processes of the box's user
 * (not where the host's user is root, which the kernel exempts). `cpu` is not bounded here. Where control groups can be made they hold instead.
 */
export function toLimitCommand(limits: BoxLimits): string[] {
  const bytes = (megabytes: number): number => Math.round(megabytes * 1024 * 1024);
  return [
    "prlimit",
    "--core=0",
    `--nofile=${Math.min(MAX_OPEN, readHighestOpen())}`,
    ...(limits.memoryMb === undefined ? [] : [`--data=${bytes(limits.memoryMb)}`]),
    ...(limits.diskMb === undefined ? [] : [`--fsize=${bytes(limits.diskMb)}`]),
    ...(limits.pids === undefined ? [] : [`--nproc=${Math.round(limits.pids)}`]),
    "--",
  ];
}

/** Whether util-linux is here and knows what is asked of it. */
export async function canLimit(): Promise<boolean> {
  const env = { PATH: process.env["PATH"] ?? "" };
  return (await runProcess([...toLimitCommand({ memoryMb: 4096, diskMb: 1024 }), "true"], { env })).exitCode === 0;
}
