import type { Stats } from "node:fs";
import { lstat, mkdir } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { SandboxError } from "../../errors.ts";

/** What stands at a path, without following it; undefined: nothing. */
export async function lstatIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** The parts of a relative path that stays where it is. @throws SandboxError `box_path` */
export function splitInside(path: string): string[] {
  const refuse = (why: string): never => {
    throw new SandboxError(
      "box_path",
      `The path ${JSON.stringify(path.slice(0, 200))} ${why}; give a path relative to the workspace.`,
    );
  };
  if (path === "") refuse("is empty");
  if (path.includes("\0")) refuse("holds a NUL character");
  if (isAbsolute(path)) refuse("is absolute");
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) refuse("leads upwards");
  return parts;
}

/**
 * The absolute path of `path` inside `root`, refused where any part of it, the last one too, is a symbolic link.
 * With `create`, folders that are missing are made.
 *
 * @throws SandboxError `box_path`
 */
export async function resolveInside(
  root: string,
  path: string,
  options: { readonly create?: boolean } = {},
): Promise<string> {
  const parts = splitInside(path);
  let current = root;
  for (const [index, part] of parts.entries()) {
    current = join(current, part);
    const stats = await lstatIfThere(current);
    const isLast = index === parts.length - 1;
    if (stats?.isSymbolicLink() === true) {
      throw new SandboxError(
        "box_path",
        `The path ${JSON.stringify(path.slice(0, 200))} goes through the symbolic link "${parts.slice(0, index + 1).join("/")}"; links are never followed.`,
      );
    }
    if (isLast) break;
    if (stats === undefined) {
      if (options.create !== true) break;
      await mkdir(current);
    } else if (!stats.isDirectory()) {
      throw new SandboxError(
        "box_path",
        `The path ${JSON.stringify(path.slice(0, 200))} goes through "${parts.slice(0, index + 1).join("/")}", which is not a folder.`,
      );
    }
  }
  return join(root, ...parts);
}
