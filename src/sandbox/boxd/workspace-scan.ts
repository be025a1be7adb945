import type { BigIntStats } from "node:fs";
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readFile, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";

/** Larger files, and those that are not text, are named in a patch but not shown. */
export const MAX_TEXT_BYTES = 1024 * 1024;

/** Folders that are no part of the work: history, installed packages, and what Skein keeps. */
const SKIPPED: ReadonlySet<string> = new Set([".git", "node_modules", ".skein"]);

/** What stands at a path of the workspace, cheap to take. */
export interface ScannedFile {
  readonly path: string;
  readonly kind: "file" | "link";
  /** As Git writes it. */
  readonly mode: "100644" | "100755" | "120000";
  readonly size: number;
  /** Changes whenever the file does: nobody can set a file's ctime. */
  readonly stamp: string;
}

export type FileContent = { readonly text: string } | { readonly digest: string };

/** All files and links of a workspace, in the order of their paths. Links are data; sockets, pipes and devices are left out. */
export async function scanWorkspace(root: string): Promise<ScannedFile[]> {
  const found: ScannedFile[] = [];
  await scanFolder(root, "", found);
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function scanFolder(root: string, prefix: string, found: ScannedFile[]): Promise<void> {
  const entries = await readdir(join(root, prefix), { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!SKIPPED.has(entry.name)) await scanFolder(root, path, found);
    } else if (entry.isFile() || entry.isSymbolicLink()) {
      const stats = await lstat(join(root, path), { bigint: true }).catch(() => undefined);
      if (stats !== undefined) found.push(toScanned(path, stats));
    }
  }
}

function toScanned(path: string, stats: BigIntStats): ScannedFile {
  const isLink = stats.isSymbolicLink();
  return {
    path,
    kind: isLink ? "link" : "file",
    mode: isLink ? "120000" : (stats.mode & 0o100n) !== 0n ? "100755" : "100644",
    size: Number(stats.size),
    stamp: `${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}:${stats.mode}`,
  };
}

/** The text of a file or the target of a link; for what is not text, or is large, its digest. */
export async function readContent(root: string, file: ScannedFile): Promise<FileContent> {
  const path = join(root, file.path);
  if (file.kind === "link") return { text: await readlink(path) };
  if (file.size > MAX_TEXT_BYTES) {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    return { digest: hash.digest("hex") };
  }
  const bytes = await readFile(path);
  if (bytes.includes(0) || !isUtf8(bytes)) return { digest: createHash("sha256").update(bytes).digest("hex") };
  return { text: bytes.toString("utf8") };
}
