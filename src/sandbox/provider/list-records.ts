import { SandboxError, SkeinError } from "../../errors.ts";
import type { BoxInfo, CheckpointInfo, Labels } from "../sandbox.ts";
import {
  boxesFolder,
  checkpointsFolder,
  hasLabels,
  listIds,
  readBoxRecord,
  readCheckpointRecord,
} from "./box-record.ts";
import type { BoxRecord, CheckpointRecord } from "./box-record.ts";

/** The boxes on record, the oldest first. */
export async function listBoxes(
  directory: string,
  labels: Labels | undefined,
  isRunning: (record: BoxRecord) => boolean | Promise<boolean>,
): Promise<BoxInfo[]> {
  const boxes: BoxInfo[] = [];
  for (const id of await listIds(boxesFolder(directory))) {
    const record = await readBoxRecord(directory, id);
    if (record === undefined || !hasLabels(record.labels, labels)) continue;
    const isAlive = await isRunning(record);
    boxes.push({
      id,
      ...(record.name === undefined ? {} : { name: record.name }),
      labels: record.labels,
      state: record.state === "creating" ? "creating" : isAlive ? "running" : "dead",
      contained: record.contained,
      createdAt: record.createdAt,
    });
  }
  return boxes.sort((a, b) => a.createdAt - b.createdAt);
}

/** The checkpoints that are whole, the oldest first. */
export async function listReadyCheckpoints(directory: string, labels: Labels | undefined): Promise<CheckpointInfo[]> {
  const checkpoints: CheckpointInfo[] = [];
  for (const id of await listIds(checkpointsFolder(directory))) {
    const record = await readCheckpointRecord(directory, id);
    if (record?.state !== "ready" || !hasLabels(record.labels, labels)) continue;
    const { boxId, mode, labels: own, createdAt } = record;
    checkpoints.push({ id, boxId, mode, labels: own, createdAt });
  }
  return checkpoints.sort((a, b) => a.createdAt - b.createdAt);
}

/** @throws SandboxError `checkpoint_unknown` */
export async function readReadyCheckpoint(directory: string, checkpointId: string): Promise<CheckpointRecord> {
  const record = await readCheckpointRecord(directory, checkpointId);
  if (record?.state === "ready") return record;
  throw new SandboxError(
    "checkpoint_unknown",
    `There is no checkpoint ${checkpointId.slice(0, 100)} here; it was deleted, or belongs to another data directory.`,
  );
}

/** What is thrown where a checkpoint did not become a box: `fork_failed` for what the sandbox could not do, anything else as it is. */
export function toForkFailure(checkpointId: string, error: unknown): unknown {
  if (!SkeinError.is(error) || error.kind !== "sandbox") return error;
  return new SandboxError(
    "fork_failed",
    `The checkpoint ${checkpointId} could not be made into a box: ${error.message}`,
    { cause: error, retryable: error.retryable },
  );
}
