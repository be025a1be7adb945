import { createHash } from "node:crypto";
import { access, mkdir, readdir, rename, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { createId } from "../../internal/ids.ts";
import { findBoxRuntime } from "../boxd/index.ts";
import type { BoxRuntime } from "../boxd/index.ts";
import { boxesFolder, checkpointsFolder, listIds, readBoxRecord, readCheckpointRecord } from "./box-record.ts";
import { INSIDE } from "./container-config.ts";
import { copyTree } from "./copy-tree.ts";

export function runtimesFolder(directory: string): string {
  return join(directory, "runtime");
}

/**
 * boxd and the agents of this package as one folder, which every box has at `/opt/skein`. It is named by what is in it: a box that was
 * checkpointed with one must be woken with the same.
 *
 * @returns its name under {@link runtimesFolder}
 */
async function prepareRuntime(directory: string): Promise<string> {
  const runtime = findBoxRuntime();
  const name = await digest(runtime);
  const folder = join(runtimesFolder(directory), name);
  const isThere = await access(folder).then(
    () => true,
    () => false,
  );
  if (isThere) return name;
  const temporary = join(runtimesFolder(directory), `.${createId("new")}`);
  try {
    const place = (path: string): string => join(temporary, relative(INSIDE.runtime, path));
    for (const { from, to } of runtime.folders) {
      await mkdir(dirname(place(to)), { recursive: true });
      if ((await stat(from)).isDirectory()) await copyTree(from, place(to));
      else await copyTree(dirname(from), dirname(place(to)), { only: [from.slice(dirname(from).length + 1)] });
    }
    for (const { path, target } of runtime.links) {
      await mkdir(dirname(place(path)), { recursive: true });
      await symlink(target, place(path));
    }
    await rename(temporary, folder);
  } catch (error) {
    // Another process was first.
    if (!["EEXIST", "ENOTEMPTY"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return name;
}

/** What boxes of a directory have of this package; older ones that nothing on record needs are removed. @returns as {@link prepareRuntime} */
export async function renewRuntime(directory: string): Promise<string> {
  const own = await prepareRuntime(directory);
  const used = new Set([own]);
  for (const id of await listIds(boxesFolder(directory)))
    used.add((await readBoxRecord(directory, id))?.runtime ?? own);
  for (const id of await listIds(checkpointsFolder(directory)))
    used.add((await readCheckpointRecord(directory, id))?.runtime ?? own);
  await removeOldRuntimes(directory, used);
  return own;
}

/** Removes the runtimes that nothing on record was made with, but for the one that is in use. */
async function removeOldRuntimes(directory: string, used: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(runtimesFolder(directory)).catch(() => []))
    if (!used.has(name) && !name.startsWith("."))
      await rm(join(runtimesFolder(directory), name), { recursive: true, force: true });
}

/** Of the names and moments of all files: their content changes with these. */
async function digest(runtime: BoxRuntime): Promise<string> {
  const hash = createHash("sha256");
  for (const { from, to } of runtime.folders) {
    hash.update(`${to}\n`);
    const stats = await stat(from);
    const names = stats.isDirectory() ? (await readdir(from, { recursive: true })).sort() : [""];
    // Packages come with a version in their folder's name; only this one changes under its name.
    const own = to.includes(`/node_modules/skein/`);
    for (const name of names) {
      const { size, mtimeMs } = own ? await stat(join(from, name)) : { size: 0, mtimeMs: 0 };
      hash.update(`${name} ${size} ${mtimeMs}\n`);
    }
  }
  return `${runtime.version}-${hash.digest("hex").slice(0, 12)}`;
}
