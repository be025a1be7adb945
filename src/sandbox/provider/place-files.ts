import { writeFile } from "node:fs/promises";
import { ValidationError } from "../../errors.ts";
import { throwIfAborted } from "../../internal/abort.ts";
import { lstatIfThere, resolveInside } from "../boxd/index.ts";
import type { BoxFile } from "../sandbox.ts";
import { copyEntry } from "./copy-tree.ts";

/** Skein's own data directory never goes into a box: it holds what other boxes and runs left. */
const EXCLUDED = [".skein"];

/** Puts the files that a box starts with into its workspace. @throws SandboxError `box_path`, ValidationError `path_not_found` */
export async function placeFiles(
  workspace: string,
  files: readonly BoxFile[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const file of files) {
    throwIfAborted(signal);
    const target = await resolveInside(workspace, file.path, { create: true });
    if ("data" in file) {
      await writeFile(target, file.data, { mode: file.mode ?? 0o644 });
      continue;
    }
    if ((await lstatIfThere(file.from)) === undefined) {
      throw new ValidationError("path_not_found", `There is nothing at ${file.from} that could be copied into a box.`);
    }
    await copyEntry(file.from, target, { exclude: EXCLUDED, ...(signal === undefined ? {} : { signal }) });
  }
}
