import { cp, lstat, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { SandboxError } from "../../errors.ts";
import { runProcess } from "../../internal/spawn-process.ts";

/** Names on one command line; far from any limit of the kernel. */
const BATCH = 500;
const LANGUAGE = { PATH: process.env["PATH"] ?? "", LC_ALL: "C" };

export interface CopyOptions {
  /** Names directly in the folder that are left behind. */
  readonly exclude?: readonly string[];
  /** Names directly in the folder; all others are left behind. */
  readonly only?: readonly string[];
  readonly signal?: AbortSignal;
}

/**
 * Copies what is in the folder `from` into the folder `to`: on write where the file system can (reflink), in full where it cannot, symbolic
 * links as links. Files belong to whoever copies: to a box with one user, files of any other would be nobody's.
 */
export async function copyTree(from: string, to: string, options: CopyOptions = {}): Promise<void> {
  await mkdir(to, { recursive: true });
  const names = (await readdir(from)).filter(
    (name) => options.exclude?.includes(name) !== true && (options.only?.includes(name) ?? true),
  );
  for (let start = 0; start < names.length; start += BATCH) {
    await copyAll(
      names.slice(start, start + BATCH).map((name) => join(from, name)),
      to,
      options.signal,
    );
  }
}

/** Copies one file, folder or link to the path `to`, which must not be there yet, unless both are folders. */
export async function copyEntry(from: string, to: string, options: CopyOptions = {}): Promise<void> {
  if ((await lstat(from)).isDirectory()) return copyTree(from, to, options);
  await cp(from, to, { verbatimSymlinks: true, preserveTimestamps: true, mode: 2 /* COPYFILE_FICLONE */ });
}

async function copyAll(sources: readonly string[], to: string, signal: AbortSignal | undefined): Promise<void> {
  const command = ["cp", "-a", "--reflink=auto", "--no-preserve=ownership", "--", ...sources, to];
  const result = await runProcess(command, { env: LANGUAGE, ...(signal === undefined ? {} : { signal }) });
  if (result.exitCode === 0) return;
  signal?.throwIfAborted();
  if (result.notFound || /unrecognized option|illegal option/.test(result.stderr)) {
    // Not the GNU program: slower, and the same.
    for (const source of sources) {
      await cp(source, join(to, source.slice(source.lastIndexOf("/") + 1)), {
        recursive: true,
        verbatimSymlinks: true,
        preserveTimestamps: true,
        mode: 2,
      });
    }
    return;
  }
  throw new SandboxError(
    "box_create_failed",
    `Files could not be copied into ${to}: ${result.stderr.trim().split("\n").at(-1) ?? "cp failed"}.`,
  );
}
