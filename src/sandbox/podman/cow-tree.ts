import { lstat, mkdir, statfs } from "node:fs/promises";
import { SandboxError } from "../../errors.ts";
import { describeFailure, removeTree } from "../provider/index.ts";
import type { PodmanCommand } from "./podman-command.ts";

const BTRFS_MAGIC = 0x9123683e;
/** The inode of the root of every subvolume. */
const SUBVOLUME_INODE = 256;

/**
 * Folders that are copied as cheaply as their file system can: a snapshot on btrfs, else a copy that shares blocks where it can (reflink on
 * xfs), else a full one.
 */
export class CowTree {
  readonly kind: "snapshot" | "copy";
  readonly #podman: PodmanCommand;
  readonly #program: string;

  private constructor(podman: PodmanCommand, program: string | undefined) {
    this.#podman = podman;
    this.#program = program ?? "cp";
    this.kind = program === undefined ? "copy" : "snapshot";
  }

  static async open(directory: string, podman: PodmanCommand): Promise<CowTree> {
    const isBtrfs = (await statfs(directory)).type === BTRFS_MAGIC;
    return new CowTree(podman, isBtrfs ? podman.find("btrfs") : undefined);
  }

  async create(path: string): Promise<void> {
    if (this.kind === "copy") await mkdir(path);
    else await this.#run([this.#program, "subvolume", "create", path]);
  }

  /** The command that makes `to`, which must not be there yet, a copy of `from`. */
  toCloneCommand(from: string, to: string): string[] {
    if (this.kind === "snapshot") return [this.#program, "subvolume", "snapshot", from, to];
    return [this.#podman.find("cp") ?? "cp", "-a", "--reflink=auto", "--", from, to];
  }

  async clone(from: string, to: string, signal?: AbortSignal): Promise<void> {
    await this.#run(this.toCloneCommand(from, to), signal);
  }

  async remove(path: string, id: string): Promise<void> {
    const stats = await lstat(path).catch(() => undefined);
    if (stats === undefined) return;
    if (this.kind === "snapshot" && stats.ino === SUBVOLUME_INODE) {
      const result = await this.#podman.host([this.#program, "subvolume", "delete", path]);
      if (result.exitCode === 0) return;
    }
    await removeTree(path, id);
  }

  async #run(command: readonly string[], signal?: AbortSignal): Promise<void> {
    const result = await this.#podman.host(command, signal === undefined ? {} : { signal });
    signal?.throwIfAborted();
    if (result.exitCode !== 0)
      throw new SandboxError("box_create_failed", `${command.join(" ")} failed: ${describeFailure(result)}`);
  }
}
