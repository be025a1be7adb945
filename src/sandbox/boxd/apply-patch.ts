import type { StructuredPatch } from "diff";
import { applyPatch, parsePatch } from "diff";
import { isUtf8 } from "node:buffer";
import { chmod, copyFile, link, mkdir, readFile, rename, rm, rmdir, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { SkeinError, ValidationError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import { lstatIfThere, resolveInside } from "./workspace-path.ts";

export interface ApplyPatchOptions {
  /** Check everything and change nothing. Default false. */
  readonly dryRun?: boolean;
}

/** Paths relative to the directory, in the order of the patch. */
export interface AppliedPatch {
  readonly changed: readonly string[];
  readonly created: readonly string[];
  readonly deleted: readonly string[];
  /** Files that the patch only names (binary, or too large to show): they stay as they are. */
  readonly skipped: readonly string[];
}

/** One file as it will be. */
interface Step {
  readonly path: string;
  readonly target: string;
  readonly kind: "changed" | "created" | "deleted";
  /** Absent for a file that goes. */
  readonly text?: string;
  readonly mode: number;
}

const LINK_MODE = "120000";

/**
 * Applies a `workspace.patch` to a folder. Every file is checked before the first is touched; then all are written beside their places and renamed
 * into them, and what was done is undone if one of them fails.
 *
 * @throws ValidationError `patch_conflict` (it names the file and the hunk that does not fit), `patch_unsafe` (a path that leads out of the folder
 *   or through a symbolic link, or a change of a symbolic link), `path_not_found`
 */
export async function applyWorkspacePatch(
  directory: string,
  patch: string,
  options: ApplyPatchOptions = {},
): Promise<AppliedPatch> {
  if ((await lstatIfThere(directory)) === undefined)
    throw new ValidationError("path_not_found", `There is no folder ${directory}.`);
  const parts = parse(patch);
  const steps: Step[] = [];
  const skipped: string[] = [];
  const seen = new Set<string>();
  for (const part of parts) {
    const path = pathOf(part);
    const target = await resolveSafely(directory, path);
    if (part.isBinary === true) {
      skipped.push(path);
      continue;
    }
    if (seen.has(path))
      throw new ValidationError(
        "patch_conflict",
        `The change names the file ${path} twice; it is not a patch of Skein's.`,
      );
    seen.add(path);
    steps.push(await checkPart(part, path, target));
  }
  if (options.dryRun !== true) await carryOut(steps);
  const of = (kind: Step["kind"]): string[] => steps.filter((step) => step.kind === kind).map((step) => step.path);
  return { changed: of("changed"), created: of("created"), deleted: of("deleted"), skipped };
}

function parse(patch: string): StructuredPatch[] {
  let parts: StructuredPatch[];
  try {
    parts = parsePatch(patch).filter((part) => part.oldFileName !== undefined || part.newFileName !== undefined);
  } catch (cause) {
    throw new ValidationError(
      "patch_conflict",
      `The change cannot be read as a unified diff: ${(cause as Error).message}.`,
      { cause },
    );
  }
  if (parts.length === 0 && patch.trim() !== "")
    throw new ValidationError("patch_conflict", "The change cannot be read as a unified diff: it names no file.");
  return parts;
}

/** The one file that a part is about. A patch of ours has no renames. */
function pathOf(part: StructuredPatch): string {
  const strip = (name: string | undefined, prefix: string): string | undefined => {
    if (name === undefined || name === "/dev/null") return undefined;
    return name.startsWith(prefix) ? name.slice(prefix.length) : name;
  };
  const old = strip(part.oldFileName, "a/");
  const now = strip(part.newFileName, "b/");
  const path = now ?? old;
  if (path === undefined || (old !== undefined && now !== undefined && old !== now)) {
    throw new ValidationError(
      "patch_unsafe",
      `The change renames ${old ?? "nothing"} to ${now ?? "nothing"}; only changes of files in their places can be applied.`,
    );
  }
  if (part.oldMode === LINK_MODE || part.newMode === LINK_MODE) {
    throw new ValidationError(
      "patch_unsafe",
      `The change makes or changes the symbolic link ${path}; links are not applied, so take this change over by hand.`,
    );
  }
  return path;
}

async function resolveSafely(directory: string, path: string): Promise<string> {
  try {
    const target = await resolveInside(directory, path);
    if (target === directory) throw new ValidationError("patch_unsafe", "The change would replace the folder itself.");
    if (path.split("/").includes(".git"))
      throw new ValidationError("patch_unsafe", `The change would write ${path}, inside Git's own folder.`);
    return target;
  } catch (cause) {
    if (SkeinError.is(cause) && cause.code === "box_path") {
      throw new ValidationError("patch_unsafe", `The change would write outside the folder: ${cause.message}`, {
        cause,
      });
    }
    throw cause;
  }
}

async function checkPart(part: StructuredPatch, path: string, target: string): Promise<Step> {
  const stats = await lstatIfThere(target);
  const isCreate = part.isCreate === true || part.oldFileName === "/dev/null";
  const isDelete = part.isDelete === true || part.newFileName === "/dev/null";
  if (isCreate && stats !== undefined)
    throw new ValidationError(
      "patch_conflict",
      `The change creates ${path}, but it is there already. Nothing was changed.`,
    );
  if (!isCreate && stats?.isFile() !== true) {
    throw new ValidationError(
      "patch_conflict",
      `The change ${isDelete ? "deletes" : "changes"} ${path}, but ${stats === undefined ? "it is not there" : "it is not a file"}. Nothing was changed.`,
    );
  }
  const bytes = isCreate ? Buffer.alloc(0) : await readFile(target);
  // Decoded and written back, other bytes would be lost far from any hunk.
  if (!isUtf8(bytes))
    throw new ValidationError(
      "patch_conflict",
      `The change does not fit ${path}: the file there is not text in UTF-8. Nothing was changed.`,
    );
  const before = bytes.toString("utf8");
  const after = applyHunks(part, path, before);
  if (isDelete) {
    if (after !== "")
      throw new ValidationError(
        "patch_conflict",
        `The change deletes ${path}, but it holds more than the change knows of. Nothing was changed.`,
      );
    return { path, target, kind: "deleted", mode: 0 };
  }
  const isExecutable = part.newMode === undefined ? ((stats?.mode ?? 0) & 0o100) !== 0 : part.newMode === "100755";
  const mode = ((stats?.mode ?? 0o644) & 0o777 & ~0o111) | (isExecutable ? 0o111 & ~process.umask() : 0);
  return { path, target, kind: isCreate ? "created" : "changed", text: after, mode };
}

function applyHunks(part: StructuredPatch, path: string, before: string): string {
  const options = { fuzzFactor: 0, autoConvertLineEndings: false };
  const after = applyPatch(before, part, options);
  if (after !== false) return after;
  // Which hunk it is, the package does not say: the first whose predecessors fit without it.
  for (let count = 1; count <= part.hunks.length; count++) {
    if (applyPatch(before, { ...part, hunks: part.hunks.slice(0, count) }, options) !== false) continue;
    const { oldStart, oldLines } = part.hunks[count - 1] as StructuredPatch["hunks"][number];
    throw new ValidationError(
      "patch_conflict",
      `The change does not fit ${path}: its hunk ${count} of ${part.hunks.length} (lines ${oldStart} to ${oldStart + Math.max(oldLines - 1, 0)}) expects other lines there. Nothing was changed.`,
    );
  }
  throw new ValidationError("patch_conflict", `The change does not fit ${path}. Nothing was changed.`);
}

/** Writes everything beside its place, then moves it in; a failure on the way undoes what was moved. */
async function carryOut(steps: readonly Step[]): Promise<void> {
  const mark = createId("apply");
  const beside = (step: Step, what: string): string => join(dirname(step.target), `.${mark}.${what}`);
  const undo: (() => Promise<unknown>)[] = [];
  try {
    for (const [index, step] of steps.entries()) {
      for (const folder of await makeFolders(dirname(step.target))) undo.push(() => rmdir(folder));
      if (step.text === undefined) continue;
      const fresh = beside(step, `${index}.new`);
      undo.push(() => rm(fresh, { force: true }));
      await writeFile(fresh, step.text, { flag: "wx" });
      await chmod(fresh, step.mode);
    }
    const olds: string[] = [];
    for (const [index, step] of steps.entries()) {
      if (step.kind !== "created") {
        const old = beside(step, `${index}.old`);
        await keepOld(step.target, old);
        undo.push(
          () => rm(old, { force: true }),
          () => rename(old, step.target),
        );
        olds.push(old);
      }
      if (step.text === undefined) await unlink(step.target);
      else await rename(beside(step, `${index}.new`), step.target);
      if (step.kind === "created") undo.push(() => unlink(step.target));
    }
    // From here on the change is made; what was there before is only in the way.
    for (const old of olds) await rm(old, { force: true });
  } catch (error) {
    for (const back of undo.reverse()) await back().catch(() => {});
    throw error;
  }
}

/** A second name for what was there, so that there is a file in the place at every moment. */
async function keepOld(target: string, old: string): Promise<void> {
  await link(target, old).catch(() => copyFile(target, old));
}

/** Makes the folders that are missing. @returns those that it made, outermost first */
async function makeFolders(folder: string): Promise<string[]> {
  if ((await lstatIfThere(folder)) !== undefined) return [];
  const made = await makeFolders(dirname(folder));
  await mkdir(folder);
  return [...made, folder];
}
