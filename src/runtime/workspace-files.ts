import { readdir, stat } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { ValidationError } from "../errors.ts";
import type { BoxFile } from "../sandbox/sandbox.ts";

/**
 * What is never copied into a box: the history of a repository, whose configuration may hold credentials (B1),
 * and data directories, which hold other boxes.
 */
const LEFT_OUT: ReadonlySet<string> = new Set([".git", ".skein"]);

export interface WorkspaceFilesOptions {
  /** Paths of the host that stay out, such as the data directory in use. */
  readonly leaveOut?: readonly string[];
}

/** Checks that a path is an existing directory. @throws ValidationError `path_not_found` */
export async function requireDirectory(directory: string): Promise<string> {
  const path = resolve(directory);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined)
    throw new ValidationError("path_not_found", `There is no folder ${path}; name one that exists.`);
  if (!found.isDirectory())
    throw new ValidationError("path_not_found", `${path} is a file; name the folder that it lies in.`);
  return path;
}

/**
 * The files of a folder of the host, as a box takes them: whole entries where nothing is left out below them.
 * Symbolic links are passed on as links and never followed.
 *
 * @throws ValidationError `path_not_found`
 */
export async function listWorkspaceFiles(directory: string, options: WorkspaceFilesOptions = {}): Promise<BoxFile[]> {
  const root = await requireDirectory(directory);
  const leaveOut = (options.leaveOut ?? []).map((path) => resolve(path));
  return listFolder(root, root, leaveOut);
}

async function listFolder(root: string, folder: string, leaveOut: readonly string[]): Promise<BoxFile[]> {
  const files: BoxFile[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const from = join(folder, entry.name);
    if (leaveOut.includes(from) || LEFT_OUT.has(entry.name)) continue;
    const holdsLeftOut = entry.isDirectory() && leaveOut.some((path) => path.startsWith(from + sep));
    if (holdsLeftOut) files.push(...(await listFolder(root, from, leaveOut)));
    else if (entry.isDirectory() || entry.isFile() || entry.isSymbolicLink())
      files.push({ path: relative(root, from), from });
  }
  return files;
}
