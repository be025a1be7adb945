import { readFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { SAID_WHILE_STOPPED } from "./start-container.ts";

/** What a dump leaves beside its archive in Podman's folder of a container: images of the memory, descriptions, logs. */
const LEFT = [
  "checkpoint",
  "config.dump",
  "spec.dump",
  "network.status",
  "devshm-checkpoint.tar",
  "volumes",
  "dump.log",
  "stats-dump",
  SAID_WHILE_STOPPED,
];

/** Podman's folder of a container, as its monitor was told, the parent of its first process; undefined where there is no monitor. */
export function findContainerFolder(pid: number): string | undefined {
  try {
    const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    const words = readFileSync(`/proc/${parent}/cmdline`, "utf8").split("\0");
    const option = words.indexOf("--bundle") === -1 ? words.indexOf("-b") : words.indexOf("--bundle");
    return words[0]?.split("/").at(-1) === "conmon" && option !== -1 ? words[option + 1] : undefined;
  } catch {
    return undefined;
  }
}

/** What the command said last that was run while everything was stopped. */
export async function readSaidWhileStopped(folder: string): Promise<string | undefined> {
  const said = await readFile(join(folder, SAID_WHILE_STOPPED), "utf8").catch(() => "");
  return said.trim().split("\n").at(-1);
}

/** Removes what Podman keeps of a dump: it would hold the box's memory, and room for it, for as long as the box lives. */
export async function removeDump(folder: string): Promise<void> {
  // One that cannot be removed goes with the container.
  await Promise.allSettled(LEFT.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}
