import type { Duplex } from "node:stream";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { isAlive, isElsewhere } from "../../internal/process-identity.ts";
import { BoxdClient } from "../boxd/index.ts";
import type { BoxRecord, CheckpointRecord } from "./box-record.ts";
import {
  BOX_RECORD,
  boxesFolder,
  checkpointsFolder,
  listIds,
  readBoxRecord,
  readCheckpointRecord,
  toBoxFolder,
  toCheckpointFolder,
} from "./box-record.ts";
import { removeTree } from "./remove-tree.ts";

/** A folder without a record belongs to someone who is about to write it, or was killed before he could. */
const RECORD_MS = 60_000;

/** A box or checkpoint that only its own process asks for: when that is dead, nobody comes back for it, whatever its claim. */
export const PROBE_LABEL = "skein.probe";

/** What only the provider knows of its boxes. */
export interface SweptProvider {
  isRunning(record: BoxRecord): Promise<boolean>;
  /** A connection to the socket of a box that runs. */
  connect(record: BoxRecord): Duplex;
  /** Ends everything in a box and removes what it kept, its record last. The record is missing where its writer was killed too early. */
  remove(id: string, record: BoxRecord | undefined): Promise<void>;
  /** Removes the folder of a checkpoint. Default: {@link removeTree}. */
  removeCheckpoint?(id: string, record: CheckpointRecord | undefined): Promise<void>;
}

/**
 * Removes what dead owners left. Never touched: a box whose owner lives, and one that runs and whose claim is not over, because
 * whoever resumes its loop will come for it. One box that cannot be removed does not keep the others.
 */
export async function sweepRecords(directory: string, provider: SweptProvider): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const id of await listIds(boxesFolder(directory))) {
    try {
      if (await sweepBox(directory, id, provider)) removed.push(id);
    } catch {
      // It stays on record, and the next sweep tries again.
    }
  }
  for (const id of await listIds(checkpointsFolder(directory)))
    await sweepCheckpoint(directory, id, provider).catch(() => {});
  return removed;
}

async function sweepBox(directory: string, id: string, provider: SweptProvider): Promise<boolean> {
  const record = await readBoxRecord(directory, id);
  if (record === undefined) {
    if (Date.now() - (await stat(toBoxFolder(directory, id))).mtimeMs < RECORD_MS) return false;
  } else {
    // An owner in another container of this machine sweeps its own.
    if (isAlive(record.owner) || isElsewhere(record.owner)) return false;
    if (
      !(PROBE_LABEL in record.labels) &&
      record.state === "running" &&
      (await provider.isRunning(record)) &&
      !(await isClaimOver(directory, record, provider))
    )
      return false;
  }
  await provider.remove(id, record);
  return true;
}

/** Asks the box without counting as a client. One that does not answer is judged by the time since anybody could have heard of it. */
async function isClaimOver(directory: string, record: BoxRecord, provider: SweptProvider): Promise<boolean> {
  // Code in the box can ask boxd as often as it likes and pass for a client, or stand in boxd's place. Whoever holds a box marks its record four
  // times in the length of the claim; what was not marked for longer than the claim and what lies between has no client.
  const { mtimeMs } = await stat(join(toBoxFolder(directory, record.id), BOX_RECORD));
  if (Date.now() - mtimeMs >= 1.5 * record.spec.claimMs) return true;
  const client = new BoxdClient({
    id: record.id,
    claimMs: record.spec.claimMs,
    connect: () => provider.connect(record),
  });
  try {
    return (await client.health(true)).idleMs >= record.spec.claimMs;
  } catch {
    return Date.now() - record.createdAt >= record.spec.claimMs;
  }
}

async function sweepCheckpoint(directory: string, id: string, provider: SweptProvider): Promise<void> {
  const record = await readCheckpointRecord(directory, id);
  const folder = toCheckpointFolder(directory, id);
  if (record === undefined) {
    if (Date.now() - (await stat(folder)).mtimeMs < RECORD_MS) return;
  } else {
    if (isAlive(record.owner) || isElsewhere(record.owner)) return;
    // One that is whole is there to be restored from, also by another process; only a probe's own is of no use to anybody.
    if (record.state === "ready" && !(PROBE_LABEL in record.labels)) return;
  }
  await (provider.removeCheckpoint?.(id, record) ?? removeTree(folder, id));
}
