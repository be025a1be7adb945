import { setTimeout as delay } from "node:timers/promises";
import { SkeinError } from "../../errors.ts";
import type { BoxRecord } from "../provider/index.ts";
import { makeCheckpoint, removeTree } from "../provider/index.ts";
import type { CheckpointMode } from "../sandbox.ts";
import type { CheckpointPaths, ContainerPaths } from "./container-paths.ts";
import { toCheckpointPaths, toContainerPaths } from "./container-paths.ts";
import type { CowTree } from "./cow-tree.ts";
import { takeMemoryCheckpoint } from "./memory-checkpoint.ts";
import type { PodmanBox } from "./podman-box.ts";
import type { PodmanCommand } from "./podman-command.ts";
import { endContainer } from "./remove-container.ts";

/** How long somebody else's look at the box, which no dump can hold, is given to end before the second try. */
const STRANGER_MS = 250;

export interface CreateCheckpointOptions {
  readonly directory: string;
  readonly podman: PodmanCommand;
  readonly cow: CowTree;
  readonly box: PodmanBox;
  readonly record: BoxRecord;
  readonly mode: CheckpointMode;
  readonly leaveRunning: boolean;
  readonly tags: readonly string[];
}

/**
 * Takes a checkpoint of a box: of its memory and files in one instant, or of its files while everything in it stands still.
 * One that fails leaves the box running and nothing behind.
 *
 * @throws SandboxError `box_busy`, `box_gone`, `checkpoint_failed`
 */
export async function createCheckpoint(
  options: CreateCheckpointOptions,
): Promise<{ readonly checkpointId: string; readonly mode: CheckpointMode }> {
  const { directory, podman, cow, box, record, mode, leaveRunning, tags } = options;
  const paths = toContainerPaths(directory, box.id);
  const checkpointId = await makeCheckpoint({
    directory,
    box: record,
    mode,
    tags,
    take: (id) => {
      const target = toCheckpointPaths(directory, id);
      return mode === "memory"
        ? takeMemory(options, paths, target)
        : box.whileQuiet(() => cow.clone(paths.tree, target.tree));
    },
    afterwards: async () => {
      if (mode === "files" && !leaveRunning) await endContainer(box.id, record, podman);
    },
    remove: (id) => removeCheckpoint(directory, id, cow),
  });
  return { checkpointId, mode };
}

/** The record goes last: what is half removed is found again. */
export async function removeCheckpoint(directory: string, id: string, cow: CowTree): Promise<void> {
  const { root, tree } = toCheckpointPaths(directory, id);
  await cow.remove(tree, id);
  await removeTree(root, id);
}

async function takeMemory(
  { podman, cow, box, record, leaveRunning }: CreateCheckpointOptions,
  paths: ContainerPaths,
  target: CheckpointPaths,
): Promise<void> {
  const take = (): Promise<void> =>
    box.whileDisconnected(() =>
      takeMemoryCheckpoint({ id: box.id, first: record.process, paths, target, cow, podman, leaveRunning }),
    );
  try {
    await take();
  } catch (error) {
    // Another client of this box had just asked it something; this one has no connection open.
    const isStranger =
      SkeinError.is(error) && error.code === "checkpoint_failed" && /\bunix\b|socket/i.test(error.message);
    if (!isStranger) throw error;
    await delay(STRANGER_MS);
    await cow.remove(target.tree, box.id);
    await take();
  }
}
