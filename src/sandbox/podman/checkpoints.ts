import { mkdir } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { SandboxError, SkeinError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import { ownIdentity } from "../../internal/process-identity.ts";
import type { BoxRecord, CheckpointRecord } from "../provider/index.ts";
import { removeTree, writeRecord } from "../provider/index.ts";
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
  const id = createId("checkpoint");
  const target = toCheckpointPaths(directory, id);
  const checkpoint: CheckpointRecord = {
    format: 1,
    id,
    boxId: box.id,
    state: "creating",
    mode,
    labels: { ...record.labels, ...Object.fromEntries(tags.map((tag) => [tag, ""])) },
    createdAt: Date.now(),
    owner: ownIdentity(),
    spec: record.spec,
    ...(record.runtime === undefined ? {} : { runtime: record.runtime }),
  };
  try {
    await mkdir(target.root, { recursive: true, mode: 0o700 });
    await writeRecord(target.record, checkpoint);
    if (mode === "memory") await takeMemory(options, paths, target);
    else await box.whileQuiet(() => cow.clone(paths.tree, target.tree));
    await writeRecord(target.record, { ...checkpoint, state: "ready" });
    if (mode === "files" && !leaveRunning) await endContainer(box.id, record, podman);
    return { checkpointId: id, mode };
  } catch (error) {
    await removeCheckpoint(directory, id, cow).catch(() => {});
    if (SkeinError.is(error) && ["box_busy", "box_gone", "checkpoint_failed"].includes(error.code)) throw error;
    throw new SandboxError(
      "checkpoint_failed",
      `The box ${box.id} could not be checkpointed: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** The record goes last: what is half removed is found again. */
export async function removeCheckpoint(directory: string, id: string, cow: CowTree): Promise<void> {
  const { root, tree } = toCheckpointPaths(directory, id);
  await cow.remove(tree, id);
  await removeTree(root, id);
}

async function takeMemory(
  { podman, cow, box, leaveRunning }: CreateCheckpointOptions,
  paths: ContainerPaths,
  target: CheckpointPaths,
): Promise<void> {
  const take = (): Promise<void> =>
    box.whileDisconnected(() => takeMemoryCheckpoint({ id: box.id, paths, target, cow, podman, leaveRunning }));
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
