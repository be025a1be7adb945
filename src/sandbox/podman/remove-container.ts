import { existsSync, readdirSync, readFileSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { SandboxError } from "../../errors.ts";
import type { ProcessIdentity } from "../../internal/process-identity.ts";
import { identifyProcess, isAlive, killAndWait } from "../../internal/process-identity.ts";
import type { BoxRecord } from "../provider/index.ts";
import {
  BOX_LABEL,
  DIRECTORY_LABEL,
  toContainerName,
  describeFailure,
  removeTree,
  toBoxFolder,
} from "../provider/index.ts";
import type { ContainerPaths } from "./container-paths.ts";
import type { CowTree } from "./cow-tree.ts";
import type { PodmanCommand } from "./podman-command.ts";
import { CRIU_ANNOTATION } from "./start-container.ts";

/**
 * Ends a box's container, also one that somebody was about to make when he was killed, and looks again whether it is gone.
 * @throws SandboxError `box_delete_failed`
 */
export async function endContainer(id: string, record: BoxRecord | undefined, podman: PodmanCommand): Promise<void> {
  // A Podman whose caller was killed goes on with what it was told to do.
  const interrupted = findCommands("podman", id);
  for (const command of interrupted) await killAndWait(command);
  const name = toContainerName(id);
  const removed = await podman.try(["rm", "--force", "--ignore", "--time=0", name]);
  const left = await podman.try(["ps", "--all", "--quiet", `--filter=label=${BOX_LABEL}=${id}`]);
  const isLeft = left.exitCode !== 0 || left.stdout.trim() !== "";
  const first = record?.process;
  if (isLeft || (first !== undefined && isAlive(first) && !(await killAndWait(first)))) {
    throw new SandboxError(
      "box_delete_failed",
      `The container ${name} could not be removed: ${describeFailure(removed.exitCode === 0 ? left : removed)} Delete the box again, or remove it with "podman rm -f ${name}".`,
      { retryable: true },
    );
  }
  // The monitor of a container whose Podman was killed waits for an end that nobody tells it.
  for (const monitor of findCommands("conmon", id)) await killAndWait(monitor);
  if (record?.state !== "running" || interrupted.length > 0 || removed.exitCode !== 0)
    await removeFromRuntime(id, podman);
}

/** A Podman that was killed while its runtime worked knows nothing of what the runtime keeps: a folder of its state, and control groups. */
async function removeFromRuntime(id: string, podman: PodmanCommand): Promise<void> {
  const { runtime } = podman;
  if (runtime === undefined) return;
  const listed = await podman.host([runtime, "list", "--format=json"]);
  if (listed.exitCode !== 0) return;
  const containers = JSON.parse(listed.stdout) as readonly KnownContainer[] | null;
  for (const container of containers ?? [])
    if (container.annotations?.[CRIU_ANNOTATION]?.includes(`/${id}/`) === true)
      await podman.host([runtime, "delete", "--force", container.id]);
}

/** As the runtime lists them. */
interface KnownContainer {
  readonly id: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Commands of a program that name the box. */
function findCommands(program: string, id: string): ProcessIdentity[] {
  const found: ProcessIdentity[] = [];
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    let words: string[];
    try {
      words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    } catch {
      continue;
    }
    if (words[0]?.split("/").at(-1) !== program || !words.some((word) => word.includes(id))) continue;
    const identity = identifyProcess(pid);
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

/** Removes the containers of this directory whose box has no folder: it has one before its container and until after it, so nobody has to do with them. */
export async function removeUnknownContainers(directory: string, podman: PodmanCommand): Promise<void> {
  const filter = `--filter=label=${DIRECTORY_LABEL}=${directory}`;
  const listed = await podman.try(["ps", "--all", filter, `--format={{index .Labels "${BOX_LABEL}"}}`]);
  if (listed.exitCode !== 0) return;
  for (const id of listed.stdout.split("\n").filter((line) => line !== ""))
    if (!existsSync(toBoxFolder(directory, id))) await endContainer(id, undefined, podman);
}

/** Removes what a box kept. The record goes last, so that a box that is half removed is still on record. */
export async function removeBoxFolder(id: string, paths: ContainerPaths, cow: CowTree): Promise<void> {
  await cow.remove(paths.tree, id);
  for (const name of await readdir(paths.root).catch(() => []))
    if (join(paths.root, name) !== paths.record) await removeTree(join(paths.root, name), id);
  await rm(paths.record, { force: true });
  await removeTree(paths.root, id);
}
