import { execFileSync } from "node:child_process";
import { statfsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Why boxes in containers cannot be tried on this machine; undefined where they can. Never a reason where `CI` is set: `.ci/run` installs what they need,
 * and a machine on which they do not work is a failure there.
 */
export function whyNoPodman(): string | undefined {
  if (process.env["CI"] !== undefined) return undefined;
  if (process.getuid?.() !== 0) return "containers whose memory is dumped need root";
  try {
    execFileSync("podman", ["--version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "Podman is not installed; scripts/install-podman.sh installs it";
  }
}

export interface Place extends AsyncDisposable {
  readonly path: string;
  remove(): Promise<void>;
}

/** A folder for boxes, on a btrfs of its own where one can be mounted (`snapshot`), or on the file system of the machine. */
export async function openPlace(kind: "snapshot" | "copy"): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "skein-podman-"));
  const path = join(folder, "boxes");
  await mkdir(path);
  if (kind === "snapshot") {
    const image = join(folder, "btrfs.img");
    execFileSync("truncate", ["--size=4G", image]);
    execFileSync("mkfs.btrfs", ["--quiet", image], { stdio: "ignore" });
    execFileSync("mount", ["-o", "loop", image, path]);
  }
  const remove = async (): Promise<void> => {
    // Lazily: the monitor of a container ends some time after it.
    if (kind === "snapshot") execFileSync("umount", ["--lazy", path]);
    await rm(folder, { recursive: true, force: true });
  };
  return { path, remove, [Symbol.asyncDispose]: remove };
}

/** A folder for boxes on a file system of its own that can be made as full as is wanted. */
export async function openSmallPlace(bytes: number): Promise<Place & { leaveRoom(bytes: number): void }> {
  const folder = await mkdtemp(join(tmpdir(), "skein-podman-"));
  const path = join(folder, "boxes");
  await mkdir(path);
  const mount = (size: number, ...options: string[]): void => {
    execFileSync("mount", ["-t", "tmpfs", "-o", [...options, `size=${size}`].join(","), "tmpfs", path]);
  };
  mount(bytes);
  const leaveRoom = (free: number): void => {
    const { blocks, bfree, bsize } = statfsSync(path);
    mount((blocks - bfree) * bsize + free, "remount");
  };
  const remove = async (): Promise<void> => {
    execFileSync("umount", ["--lazy", path]);
    await rm(folder, { recursive: true, force: true });
  };
  return { path, leaveRoom, remove, [Symbol.asyncDispose]: remove };
}

/** The boxes of all containers of this place, whatever state they are in. */
export function listContainers(path: string): string[] {
  const filter = `--filter=label=skein.directory=${path}`;
  const format = '--format={{index .Labels "skein.box"}}';
  const listed = execFileSync("podman", ["ps", "--all", filter, format], { encoding: "utf8" });
  return listed.split("\n").filter((line) => line !== "");
}
