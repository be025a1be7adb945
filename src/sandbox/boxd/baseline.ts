import { constants } from "node:fs";
import { copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mapWithConcurrency } from "../../internal/map-with-concurrency.ts";
import { STATE_FOLDER } from "./protocol.ts";
import type { FileContent, ScannedFile } from "./workspace-scan.ts";
import { readContent, scanWorkspace } from "./workspace-scan.ts";

/** A file as it was at the box's origin. Its text lies in a copy under `copy`; what is not text is known by its digest alone. */
interface BaselineFile extends ScannedFile {
  readonly digest?: string;
  /** The target of a link. */
  readonly target?: string;
  readonly copy?: string;
}

/**
 * What the workspace held when the box was first started. It lies in the box's home, so that it travels with a fork: a patch is always
 * the change since the origin, however many boxes lie between.
 */
export class Baseline {
  readonly files: ReadonlyMap<string, BaselineFile>;
  readonly #folder: string;

  constructor(folder: string, files: readonly BaselineFile[]) {
    this.#folder = folder;
    this.files = new Map(files.map((file) => [file.path, file]));
  }

  async content(file: BaselineFile): Promise<FileContent> {
    if (file.target !== undefined) return { text: file.target };
    if (file.copy === undefined) return { digest: file.digest ?? "" };
    return { text: await readFile(join(this.#folder, file.copy), "utf8") };
  }
}

/** The baseline of this box: the one that came with its home, else one that is recorded now. */
export async function openBaseline(home: string, workspace: string): Promise<Baseline> {
  const folder = join(home, STATE_FOLDER, "baseline");
  const manifest = join(folder, "manifest.json");
  const earlier = await readFile(manifest, "utf8").catch(() => undefined);
  if (earlier !== undefined) return new Baseline(folder, JSON.parse(earlier) as BaselineFile[]);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const scanned = await scanWorkspace(workspace);
  const files = await mapWithConcurrency(scanned, 16, (file, index) => record(workspace, folder, file, `${index}`));
  // The manifest is written last and at once: without it there is no baseline.
  await writeFile(`${manifest}.new`, JSON.stringify(files));
  await rename(`${manifest}.new`, manifest);
  return new Baseline(folder, files);
}

async function record(workspace: string, folder: string, file: ScannedFile, copy: string): Promise<BaselineFile> {
  const content = await readContent(workspace, file);
  if ("digest" in content) return { ...file, digest: content.digest };
  if (file.kind === "link") return { ...file, target: content.text };
  await copyFile(join(workspace, file.path), join(folder, copy), constants.COPYFILE_FICLONE);
  return { ...file, copy };
}
