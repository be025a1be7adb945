import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { identifyProcess, isAlive, killAndWait } from "../../internal/process-identity.ts";
import { SandboxError } from "../../errors.ts";
import { removeBoxCgroup } from "./box-cgroup.ts";
import { readNamespacePid } from "./start-box.ts";
import type { BoxRecord } from "../provider/index.ts";
import { findBoxProcesses, removeTree } from "../provider/index.ts";
import type { BoxPaths } from "./box-paths.ts";

/** Kills everything that runs in a box and waits until it is gone. @throws SandboxError `box_delete_failed` */
export async function endBox(id: string, record: BoxRecord | undefined, paths: BoxPaths): Promise<void> {
  const known = record?.process;
  if (known !== undefined && isAlive(known)) await kill(id, known);
  // The death of its first process is the death of the whole namespace. Only a box that was not contained, or was never finished,
  // may have processes that nobody wrote down.
  if (record?.contained === true && known !== undefined) return;
  const first = await readNamespacePid(paths);
  const named = findBoxProcesses(id);
  const isFirst = (pid: number): boolean => pid === first;
  // The namespace's first process goes first; the others of it are gone with it.
  for (const identity of named.sort((a, b) => Number(isFirst(b.pid)) - Number(isFirst(a.pid))))
    await kill(id, identity);
  // What was started while we were killing is found by a second look.
  for (const identity of findBoxProcesses(id)) await kill(id, identity);
}

async function kill(id: string, identity: Parameters<typeof killAndWait>[0]): Promise<void> {
  if (await killAndWait(identity)) return;
  throw new SandboxError(
    "box_delete_failed",
    `The process ${identity.pid} of the box ${id} could not be killed; end it by hand and delete the box again.`,
    { retryable: true },
  );
}

/** Ends a box and removes what it kept. @throws SandboxError `box_delete_failed` */
export async function removeBox(id: string, record: BoxRecord | undefined, paths: BoxPaths): Promise<void> {
  await endBox(id, record, paths);
  await removeBoxFolder(id, paths);
}

/** The record goes last, so that a box that is half removed is still on record. */
async function removeBoxFolder(id: string, paths: BoxPaths): Promise<void> {
  await removeBoxCgroup(id);
  const entries = await readdir(paths.root).catch(() => []);
  for (const name of entries) if (join(paths.root, name) !== paths.record) await removeTree(join(paths.root, name), id);
  await removeTree(paths.root, id);
}

/** True where the process that was written down, or one that names the box, still runs. */
export async function isRunning(record: BoxRecord, paths: BoxPaths): Promise<boolean> {
  if (record.process !== undefined) return isAlive(record.process);
  const pid = await readNamespacePid(paths);
  if (pid === undefined || identifyProcess(pid) === undefined) return false;
  return (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0").includes(record.id);
}
