import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { SandboxError, SkeinError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import { ownIdentity } from "../../internal/process-identity.ts";
import type { CheckpointMode } from "../sandbox.ts";
import type { BoxRecord, CheckpointRecord } from "./box-record.ts";
import { CHECKPOINT_RECORD, toCheckpointFolder, writeRecord } from "./box-record.ts";
import { withAdvice } from "./describe-failure.ts";

/** What says enough of itself; anything else is `checkpoint_failed`. */
const OWN_WORDS = ["box_busy", "box_gone", "sandbox_away", "checkpoint_failed"];

/** A checkpoint that is to be made, and what only its provider can do of it. */
export interface CheckpointWork {
  readonly directory: string;
  readonly box: BoxRecord;
  readonly mode: CheckpointMode;
  readonly tags: readonly string[];
  /** Takes what the checkpoint holds. */
  take(id: string): Promise<void>;
  /** What is left to do once it is whole. */
  afterwards?(): Promise<void>;
  /** Takes away what there is of one that failed, its record last. */
  remove(id: string): Promise<void>;
}

/**
 * Makes a checkpoint of a box: on record first, ready once it is whole; one that fails leaves nothing behind.
 * @throws SandboxError `box_busy`, `box_gone`, `sandbox_away`, `checkpoint_failed`
 */
export async function makeCheckpoint({
  directory,
  box,
  mode,
  tags,
  take,
  afterwards,
  remove,
}: CheckpointWork): Promise<string> {
  const id = createId("checkpoint");
  const folder = toCheckpointFolder(directory, id);
  const record: CheckpointRecord = {
    format: 1,
    id,
    boxId: box.id,
    state: "creating",
    mode,
    labels: { ...box.labels, ...Object.fromEntries(tags.map((tag) => [tag, ""])) },
    createdAt: Date.now(),
    owner: ownIdentity(),
    spec: box.spec,
    ...(box.runtime === undefined ? {} : { runtime: box.runtime }),
  };
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeRecord(join(folder, CHECKPOINT_RECORD), record);
    await take(id);
    await writeRecord(join(folder, CHECKPOINT_RECORD), { ...record, state: "ready" });
    await afterwards?.();
    return id;
  } catch (error) {
    await remove(id).catch(() => {});
    if (SkeinError.is(error) && OWN_WORDS.includes(error.code)) throw error;
    throw new SandboxError(
      "checkpoint_failed",
      `The box ${box.id} could not be checkpointed: ${withAdvice((error as Error).message)}`,
      { cause: error },
    );
  }
}
