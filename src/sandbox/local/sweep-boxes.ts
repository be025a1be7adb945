import { stat } from "node:fs/promises";
import { isAlive, isElsewhere } from "../../internal/process-identity.ts";
import { BoxdClient, connectSocket, SOCKET_NAME } from "../boxd/index.ts";
import type { BoxRecord } from "./box-record.ts";
import {
  boxesFolder,
  checkpointsFolder,
  listIds,
  readBoxRecord,
  readCheckpointRecord,
  toBoxPaths,
  toCheckpointPaths,
} from "./box-record.ts";
import { PROBE_LABEL } from "./probe-fork.ts";
import { endBox, isRunning, removeBoxFolder, removeTree } from "./remove-box.ts";

/** A folder without a record belongs to someone who is about to write it, or was killed before he could. */
const RECORD_MS = 60_000;

/**
 * Removes what dead owners left. Never touched: a box whose owner lives, and one that runs and whose claim is not over, because
 * whoever resumes its loop will come for it. One box that cannot be removed does not keep the others.
 */
export async function sweepBoxes(directory: string): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const id of await listIds(boxesFolder(directory))) {
    try {
      if (await sweepBox(directory, id)) removed.push(id);
    } catch {
      // It stays on record, and the next sweep tries again.
    }
  }
  for (const id of await listIds(checkpointsFolder(directory))) await sweepCheckpoint(directory, id).catch(() => {});
  return removed;
}

async function sweepBox(directory: string, id: string): Promise<boolean> {
  const paths = toBoxPaths(directory, id);
  const record = await readBoxRecord(directory, id);
  if (record === undefined) {
    if (Date.now() - (await stat(paths.root)).mtimeMs < RECORD_MS) return false;
  } else {
    // An owner in another container of this machine sweeps its own.
    if (isAlive(record.owner) || isElsewhere(record.owner)) return false;
    const probe = PROBE_LABEL in record.labels;
    if (
      !probe &&
      record.state === "running" &&
      (await isRunning(record, paths)) &&
      !(await isClaimOver(record, paths.run))
    )
      return false;
  }
  await endBox(id, record, paths);
  await removeBoxFolder(id, paths);
  return true;
}

/** Asks the box without counting as a client. One that does not answer is judged by the time since anybody could have heard of it. */
async function isClaimOver(record: BoxRecord, run: string): Promise<boolean> {
  const client = new BoxdClient({
    id: record.id,
    claimMs: record.spec.claimMs,
    connect: () => connectSocket(run, SOCKET_NAME),
  });
  try {
    return (await client.health(true)).idleMs >= record.spec.claimMs;
  } catch {
    return Date.now() - record.createdAt >= record.spec.claimMs;
  }
}

async function sweepCheckpoint(directory: string, id: string): Promise<void> {
  const record = await readCheckpointRecord(directory, id);
  if (record === undefined || isAlive(record.owner) || isElsewhere(record.owner)) return;
  // One that is whole is there to be restored from, also by another process; only a probe's own is of no use to anybody.
  if (record.state === "ready" && !(PROBE_LABEL in record.labels)) return;
  await removeTree(toCheckpointPaths(directory, id).root, id);
}
