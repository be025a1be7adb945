import { constants } from "node:fs";
import { copyFile, lstat, mkdir, mkdtemp, rm, rmdir, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runProcess } from "../../internal/spawn-process.ts";
import { copyTree } from "./copy-tree.ts";

/** `snapshot`: nothing is copied, whatever the size. `reflink`: names are copied, contents shared until they are changed. `copy`: all is copied. */
export type TreeCopy = "snapshot" | "reflink" | "copy";

const BTRFS_MAGIC = 0x9123683e;
/** The inode of the root of every subvolume. */
const SUBVOLUME_INODE = 256;
/** Where Debian has it is on no ordinary user's path. */
const PATH = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;

/** The folders of boxes that forks are copies of, copied as cheaply as their file system was found to. */
export class FileTrees {
  /** The best that was found to work here. */
  readonly how: TreeCopy;

  private constructor(how: TreeCopy) {
    this.how = how;
  }

  /** Finds out by trying, in the directory in which the folders will lie. */
  static async open(directory: string): Promise<FileTrees> {
    const folder = await mkdtemp(join(directory, "probe-"));
    try {
      if (await canSnapshot(folder)) return new FileTrees("snapshot");
      return new FileTrees((await canReflink(folder)) ? "reflink" : "copy");
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async create(path: string): Promise<void> {
    if (this.how !== "snapshot" || !(await runBtrfs(["create", path]))) await mkdir(path);
  }

  /** Makes `to`, which must not be there yet, a copy of `from`. */
  async clone(from: string, to: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    // What was made where there were no snapshots is a plain folder.
    if (this.how === "snapshot" && (await lstat(from)).ino === SUBVOLUME_INODE) {
      options.signal?.throwIfAborted();
      if (await runBtrfs(["snapshot", from, to])) return;
    }
    await copyTree(from, to, options);
  }
}

async function canSnapshot(folder: string): Promise<boolean> {
  if ((await statfs(folder)).type !== BTRFS_MAGIC) return false;
  const [one, two] = [join(folder, "one"), join(folder, "two")];
  if (!(await runBtrfs(["create", one])) || !(await runBtrfs(["snapshot", one, two]))) return false;
  // It is removed like any folder, without a right of its own; on an old kernel it could not be.
  return Promise.all([rmdir(one), rmdir(two)]).then(
    () => true,
    () => false,
  );
}

async function canReflink(folder: string): Promise<boolean> {
  const source = join(folder, "source");
  await writeFile(source, Buffer.alloc(8192, 1));
  return copyFile(source, join(folder, "clone"), constants.COPYFILE_FICLONE_FORCE).then(
    () => true,
    () => false,
  );
}

async function runBtrfs(args: readonly string[]): Promise<boolean> {
  return (await runProcess(["btrfs", "subvolume", ...args], { env: { PATH, LC_ALL: "C" } })).exitCode === 0;
}
