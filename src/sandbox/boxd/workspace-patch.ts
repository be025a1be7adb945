import type { StructuredPatch } from "diff";
import { formatPatch, structuredPatch } from "diff";
import type { Baseline } from "./baseline.ts";
import type { FileContent, ScannedFile } from "./workspace-scan.ts";
import { readContent, scanWorkspace } from "./workspace-scan.ts";

/** What is over is named in the patch and not shown; an event should stay one that every store takes. */
const MAX_PATCH_BYTES = 8 * 1024 * 1024;
/** A file that was rewritten from end to end is compared for at most this long, then shown as a whole. */
const COMPARE_MS = 2000;

interface Side {
  readonly mode: ScannedFile["mode"];
  readonly content: FileContent;
}

/** The change of a workspace since its baseline as a Git-style unified diff; undefined where there is none. */
export async function createWorkspacePatch(workspace: string, baseline: Baseline): Promise<string | undefined> {
  const current = new Map((await scanWorkspace(workspace)).map((file) => [file.path, file]));
  const paths = [...new Set([...baseline.files.keys(), ...current.keys()])].sort();
  let patch = "";
  for (const path of paths) {
    const old = baseline.files.get(path);
    const now = current.get(path);
    if (old !== undefined && now !== undefined && old.stamp === now.stamp) continue;
    const before = old === undefined ? undefined : { mode: old.mode, content: await baseline.content(old) };
    const after = now === undefined ? undefined : { mode: now.mode, content: await readContent(workspace, now) };
    const part = describeChange(path, before, after);
    if (part === undefined) continue;
    patch +=
      patch.length + part.length <= MAX_PATCH_BYTES
        ? part
        : (describeChange(path, toOpaque(before), toOpaque(after)) ?? "");
  }
  return patch === "" ? undefined : patch;
}

/** One file's part of the patch; undefined where nothing of it changed. */
function describeChange(path: string, before: Side | undefined, after: Side | undefined): string | undefined {
  if (before !== undefined && after !== undefined) {
    if (before.mode === after.mode && isSame(before.content, after.content)) return undefined;
    // Git, too, shows a file that became a link as one that went and one that came.
    if ((before.mode === "120000") !== (after.mode === "120000")) {
      return `${describeChange(path, before, undefined) ?? ""}${describeChange(path, undefined, after) ?? ""}`;
    }
  }
  const oldName = before === undefined ? "/dev/null" : `a/${path}`;
  const newName = after === undefined ? "/dev/null" : `b/${path}`;
  const modes = {
    ...(before === undefined
      ? { isCreate: true }
      : after !== undefined && before.mode === after.mode
        ? {}
        : { oldMode: before.mode }),
    ...(after === undefined
      ? { isDelete: true }
      : before !== undefined && before.mode === after.mode
        ? {}
        : { newMode: after.mode }),
  };
  const oldText = before === undefined ? "" : textOf(before.content);
  const newText = after === undefined ? "" : textOf(after.content);
  if (oldText === undefined || newText === undefined) {
    const header = formatPatch({
      oldFileName: `a/${path}`,
      newFileName: `b/${path}`,
      oldHeader: undefined,
      newHeader: undefined,
      hunks: [],
      isGit: true,
      ...modes,
    });
    const same = before !== undefined && after !== undefined && isSame(before.content, after.content);
    return same ? header : `${header}Binary files ${oldName} and ${newName} differ\n`;
  }
  const compared: StructuredPatch =
    structuredPatch(oldName, newName, oldText, newText, undefined, undefined, { context: 3, timeout: COMPARE_MS }) ??
    replaceAll(oldName, newName, oldText, newText);
  // With no hunk (an empty file, a mode alone) the names stand in the first line only, and neither may be /dev/null.
  const names = compared.hunks.length === 0 ? { oldFileName: `a/${path}`, newFileName: `b/${path}` } : {};
  return formatPatch({ ...compared, ...names, isGit: true, ...modes });
}

function replaceAll(oldFileName: string, newFileName: string, oldText: string, newText: string): StructuredPatch {
  const toLines = (text: string, sign: string): string[] => {
    const lines = text.split("\n");
    const isComplete = lines.at(-1) === "";
    if (isComplete) lines.pop();
    const signed = lines.map((line) => sign + line);
    return isComplete ? signed : [...signed, "\\ No newline at end of file"];
  };
  const count = (lines: readonly string[]): number => lines.filter((line) => !line.startsWith("\\")).length;
  const removed = toLines(oldText, "-");
  const added = toLines(newText, "+");
  const hunk = {
    oldStart: 1,
    oldLines: count(removed),
    newStart: 1,
    newLines: count(added),
    lines: [...removed, ...added],
  };
  return { oldFileName, newFileName, oldHeader: undefined, newHeader: undefined, hunks: [hunk] };
}

function textOf(content: FileContent): string | undefined {
  return "text" in content ? content.text : undefined;
}

function isSame(left: FileContent, right: FileContent): boolean {
  if ("text" in left) return "text" in right && left.text === right.text;
  return "digest" in right && left.digest === right.digest;
}

function toOpaque(side: Side | undefined): Side | undefined {
  if (side === undefined || "digest" in side.content) return side;
  return { mode: side.mode, content: { digest: side.content.text } };
}
