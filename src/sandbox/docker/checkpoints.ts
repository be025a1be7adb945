import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { SandboxError, SkeinError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import { ownIdentity } from "../../internal/process-identity.ts";
import type { BoxRecord, CheckpointRecord } from "../provider/index.ts";
import {
  CHECKPOINT_RECORD,
  DIRECTORY_LABEL,
  removeTree,
  toCheckpointFolder,
  toContainerName,
  writeRecord,
} from "../provider/index.ts";
import { CHECKPOINT_LABEL, toCheckpointImage } from "./container-images.ts";
import type { DockerBox } from "./docker-box.ts";
import type { DockerEngine } from "./docker-engine.ts";

/** Of an image's layers: Docker's overlay takes 128 in all, and each fork of a fork adds one. */
export const MAX_LAYERS = 100;

export interface CreateCheckpointOptions {
  readonly directory: string;
  readonly engine: DockerEngine;
  readonly label: string;
  readonly box: DockerBox;
  readonly record: BoxRecord;
  readonly leaveRunning: boolean;
  readonly tags: readonly string[];
  /** Of the image that the box was started from. */
  readonly layers: number;
  /** From how many layers on the checkpoint is made into one. */
  readonly maxLayers: number;
}

/**
 * Makes an image of a box's files while everything in it stands still. One that fails leaves the box running and nothing behind.
 * @throws SandboxError `box_busy`, `box_gone`, `checkpoint_failed`
 */
export async function createCheckpoint(options: CreateCheckpointOptions): Promise<string> {
  const { directory, engine, label, box, record, leaveRunning, tags, layers, maxLayers } = options;
  const id = createId("checkpoint");
  const folder = toCheckpointFolder(directory, id);
  const checkpoint: CheckpointRecord = {
    format: 1,
    id,
    boxId: box.id,
    state: "creating",
    mode: "files",
    labels: { ...record.labels, ...Object.fromEntries(tags.map((tag) => [tag, ""])) },
    createdAt: Date.now(),
    owner: ownIdentity(),
    spec: record.spec,
    ...(record.runtime === undefined ? {} : { runtime: record.runtime }),
  };
  const container = toContainerName(box.id);
  const labels = { [CHECKPOINT_LABEL]: id, [DIRECTORY_LABEL]: label };
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeRecord(join(folder, CHECKPOINT_RECORD), checkpoint);
    await box.whileQuiet(() =>
      layers < maxLayers
        ? engine.commit(container, toCheckpointImage(id), labels)
        : engine.flatten(container, toCheckpointImage(id), labels),
    );
    await writeRecord(join(folder, CHECKPOINT_RECORD), { ...checkpoint, state: "ready" });
    if (!leaveRunning) await engine.stopContainer(container);
    return id;
  } catch (error) {
    await removeCheckpoint(directory, id, engine).catch(() => {});
    if (SkeinError.is(error) && ["box_busy", "box_gone", "sandbox_away"].includes(error.code)) throw error;
    throw new SandboxError(
      "checkpoint_failed",
      `The box ${box.id} could not be checkpointed: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** An image that boxes were made of stays until the last of them is gone; the record goes last. */
export async function removeCheckpoint(directory: string, id: string, engine: DockerEngine): Promise<void> {
  await engine.removeImage(toCheckpointImage(id));
  await removeTree(toCheckpointFolder(directory, id), id);
}
