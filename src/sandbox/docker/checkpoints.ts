import type { BoxRecord } from "../provider/index.ts";
import { DIRECTORY_LABEL, makeCheckpoint, removeTree, toCheckpointFolder, toContainerName } from "../provider/index.ts";
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
 * @throws SandboxError `box_busy`, `box_gone`, `sandbox_away`, `checkpoint_failed`
 */
export function createCheckpoint(options: CreateCheckpointOptions): Promise<string> {
  const { directory, engine, label, box, record, leaveRunning, tags, layers, maxLayers } = options;
  const container = toContainerName(box.id);
  return makeCheckpoint({
    directory,
    box: record,
    mode: "files",
    tags,
    take: (id) => {
      const labels = { [CHECKPOINT_LABEL]: id, [DIRECTORY_LABEL]: label };
      return box.whileQuiet(() =>
        layers < maxLayers
          ? engine.commit(container, toCheckpointImage(id), labels)
          : engine.flatten(container, toCheckpointImage(id), labels),
      );
    },
    afterwards: async () => {
      if (!leaveRunning) await engine.stopContainer(container);
    },
    remove: (id) => removeCheckpoint(directory, id, engine),
  });
}

/** An image that boxes were made of stays until the last of them is gone; the record goes last. */
export async function removeCheckpoint(directory: string, id: string, engine: DockerEngine): Promise<void> {
  await engine.removeImage(toCheckpointImage(id));
  await removeTree(toCheckpointFolder(directory, id), id);
}
