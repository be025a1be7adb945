import { mkdir } from "node:fs/promises";
import { ownIdentity } from "../../internal/process-identity.ts";
import { SandboxError, SkeinError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import type { LocalBox } from "./local-box.ts";
import type { BoxRecord, CheckpointRecord, FileTrees } from "../provider/index.ts";
import { checkpointsFolder, removeTree, writeRecord } from "../provider/index.ts";
import { toBoxPaths, toCheckpointPaths } from "./box-paths.ts";

/**
 * Copies a box's workspace and home while everything in it stands still, so that no database of the agent's is torn.
 * @throws SandboxError `box_busy`, `checkpoint_failed`
 */
export async function createCheckpoint(
  directory: string,
  box: LocalBox,
  record: BoxRecord,
  tags: readonly string[],
  trees: FileTrees,
): Promise<string> {
  const id = createId("checkpoint");
  const paths = toCheckpointPaths(directory, id);
  const source = toBoxPaths(directory, box.id);
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
  };
  try {
    await mkdir(checkpointsFolder(directory), { recursive: true });
    await mkdir(paths.root, { mode: 0o700 });
    await writeRecord(paths.record, checkpoint);
    await box.whileQuiet(async () => {
      await trees.clone(source.workspace, paths.workspace);
      await trees.clone(source.home, paths.home);
    });
    await writeRecord(paths.record, { ...checkpoint, state: "ready" });
    return id;
  } catch (error) {
    await removeTree(paths.root, id).catch(() => {});
    if (SkeinError.is(error) && (error.code === "box_busy" || error.code === "box_gone")) throw error;
    throw new SandboxError(
      "checkpoint_failed",
      `The box ${box.id} could not be checkpointed: ${(error as Error).message}`,
      { cause: error },
    );
  }
}
