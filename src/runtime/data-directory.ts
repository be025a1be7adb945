import { access, constants, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StoreError } from "../errors.ts";

/** The database in a data directory; its presence is what marks the directory as ours. */
export const DATABASE_FILE = "skein.db";

/** Where the boxes of the local sandbox live, inside a data directory. */
export const BOXES_FOLDER = "boxes";

/** Where the boxes that are containers live. */
export const CONTAINERS_FOLDER = "containers";

/** Where the records of boxes lie that a Docker engine keeps. */
export const DOCKER_FOLDER = "docker";

/** Where `skein agents install` puts agents, inside a data directory. */
export const AGENTS_FOLDER = "agents";

/** The tokens of `skein tokens`, as hashes, inside a data directory. */
export const TOKENS_FOLDER = "tokens";

const IGNORE_FILE = ".gitignore";

/** `missing`: not there yet. `empty`: there, without anything of anyone's. `ours`: it has a database. */
export type DataDirectoryState = "missing" | "empty" | "ours";

/**
 * What a directory is to us; nothing is written.
 *
 * @throws StoreError `store_foreign` for a file, or for a directory that holds things that Skein did not put there
 */
export async function inspectDataDirectory(directory: string): Promise<DataDirectoryState> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return "missing";
    if (code === "ENOTDIR") {
      throw new StoreError("store_foreign", `The data directory ${directory} is a file; name a directory.`, { cause });
    }
    throw new StoreError(
      "store_failed",
      `The data directory ${directory} cannot be read (${code ?? "unknown error"}).`,
      { cause },
    );
  }
  if (names.includes(DATABASE_FILE)) return "ours";
  // A process that died while it made the directory left at most these; agents may be installed before there is a session.
  const known = [IGNORE_FILE, BOXES_FOLDER, CONTAINERS_FOLDER, DOCKER_FOLDER, AGENTS_FOLDER, TOKENS_FOLDER];
  if (names.every((name) => known.includes(name))) return "empty";
  throw new StoreError(
    "store_foreign",
    `The directory ${directory} holds other things and no ${DATABASE_FILE}, so it is not a data directory of Skein; nothing was written. Name another one.`,
  );
}

/**
 * Makes the directory. The `.gitignore` in it keeps it out of every repository that it lies in, without a change to the repository's own.
 *
 * @throws StoreError `store_failed` where it cannot be made, `store_full` where no space is left
 */
export async function createDataDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFile(join(directory, IGNORE_FILE), "*\n");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StoreError(
      code === "ENOSPC" || code === "EDQUOT" ? "store_full" : "store_failed",
      `The data directory ${directory} cannot be made (${code ?? "unknown error"}); name one in a place that can be written.`,
      { cause },
    );
  }
}

/** Whether the database of an existing data directory can be written: not on a disk that is mounted for reading, nor without the permission. */
export async function isDataDirectoryWritable(directory: string): Promise<boolean> {
  for (const path of [directory, join(directory, DATABASE_FILE)]) {
    try {
      await access(path, constants.W_OK);
    } catch {
      return false;
    }
  }
  return true;
}
