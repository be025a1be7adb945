import { SandboxError } from "../../errors.ts";
import type { ProcessIdentity } from "../../internal/process-identity.ts";
import { toContainerName, withAdvice } from "../provider/index.ts";
import type { CheckpointPaths, ContainerPaths } from "./container-paths.ts";
import type { CowTree } from "./cow-tree.ts";
import { explainCriuFailure } from "./criu-log.ts";
import { findContainerFolder, readSaidWhileStopped, removeDump } from "./dump-folder.ts";
import type { PodmanCommand } from "./podman-command.ts";
import { isWholeArchive } from "./rewrite-archive.ts";
import { writeActionScript } from "./start-container.ts";

export interface MemoryCheckpointOptions {
  readonly id: string;
  /** The box's first process. */
  readonly first: ProcessIdentity | undefined;
  readonly paths: ContainerPaths;
  readonly target: CheckpointPaths;
  readonly cow: CowTree;
  readonly podman: PodmanCommand;
  readonly leaveRunning: boolean;
}

/**
 * Dumps the memory of everything in a box and copies its files while it is stopped for that: both are of one instant. Nothing may be connected to
 * the box. One that fails leaves it running.
 *
 * @throws SandboxError `checkpoint_failed`
 */
export async function takeMemoryCheckpoint(options: MemoryCheckpointOptions): Promise<void> {
  const { id, first, paths, target, cow, podman, leaveRunning } = options;
  const folder = first === undefined ? undefined : findContainerFolder(first.pid);
  await writeActionScript(paths, cow.toCloneCommand(paths.tree, target.tree));
  try {
    const result = await podman.try(
      [
        "container",
        "checkpoint",
        ...(leaveRunning ? ["--leave-running"] : []),
        "--ignore-rootfs",
        "--compress=none",
        `--export=${target.memory}`,
        toContainerName(id),
      ],
      // A CRIU that is ended in the middle of a dump takes the box with it; left alone it lets the box go on.
      { scratch: paths.scratch, sparesChildren: true },
    );
    if (result.exitCode !== 0) {
      const why = result.timedOut ? "it took too long." : await explainCriuFailure(result.stderr);
      const said =
        folder !== undefined && why.includes(paths.actionScript) ? await readSaidWhileStopped(folder) : undefined;
      throw new SandboxError(
        "checkpoint_failed",
        said === undefined
          ? `The memory of ${id} could not be dumped: ${why}`
          : `The files of ${id} could not be copied while it stood still: ${withAdvice(said)}`,
      );
    }
    if (!(await isWholeArchive(target.memory)))
      throw new SandboxError("checkpoint_failed", `The dump of ${id} is not whole; is the disk full?`);
  } finally {
    // On a full disk the script stays as it is, and the next checkpoint writes it anew.
    await writeActionScript(paths, []).catch(() => {});
    if (folder !== undefined) await removeDump(folder);
  }
}
