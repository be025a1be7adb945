import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ValidationError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import type { ProcessResult } from "../../internal/spawn-process.ts";
import { runProcess } from "../../internal/spawn-process.ts";
import { findBoxRuntime } from "../boxd/index.ts";
import { ACCOUNTS, createBubblewrapProfile } from "./bubblewrap-profile.ts";
import { createSeccompFilter } from "./seccomp-filter.ts";

/** @stable */
export type ContainmentWish = "auto" | "require" | "none";

export interface Containment {
  readonly contained: boolean;
  /** Why it is not. */
  readonly reason?: string;
  /** The file with the filter of the system calls of contained boxes; absent where the kernel takes none. */
  readonly filter?: string;
  /** Why there is no filter. */
  readonly filterReason?: string;
}

const PROBE_MS = 20_000;
const INSTALL = "Install bubblewrap (Debian: apt-get install bubblewrap) to have boxes contained.";

/** Decides what boxes are made of here, from a contained process that was really started. @throws ValidationError `not_contained` */
export async function decideContainment(wish: ContainmentWish, directory: string): Promise<Containment> {
  if (wish === "none") return { contained: false, reason: "containment was switched off" };
  const { reason, ...walls } = await tryWalls(directory);
  if (reason === undefined) return { contained: true, ...walls };
  if (wish === "require")
    throw new ValidationError("not_contained", `Boxes cannot be contained here: ${reason} ${INSTALL}`);
  return { contained: false, reason };
}

/** Writes the accounts that every contained box sees. @returns their folder */
export async function writeAccounts(directory: string): Promise<string> {
  const folder = join(directory, "etc");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "passwd"), ACCOUNTS.passwd);
  await writeFile(join(folder, "group"), ACCOUNTS.group);
  await writeFile(join(folder, "hosts"), ACCOUNTS.hosts);
  return folder;
}

/** bubblewrap takes the filter from a descriptor. */
const READ_FILTER = ["/bin/sh", "-c", 'exec 3< "$0" && exec bwrap --seccomp 3 "$@"'];

/** Written beside and renamed: another client of the same directory may be starting a box from it. */
async function writeFilter(folder: string): Promise<string | undefined> {
  const filter = createSeccompFilter();
  if (filter === undefined) return undefined;
  const path = join(folder, "seccomp.bpf");
  const fresh = `${path}.${createId("new")}`;
  await writeFile(fresh, filter);
  await rename(fresh, path);
  return path;
}

function toWords({ stderr, exitCode, signal }: ProcessResult): string {
  return stderr.trim().split("\n").at(-1) || `it ended with ${exitCode ?? signal ?? "nothing"}`;
}

/** Enters the walls with the filter, and without it where that fails: boxes are contained without it too. */
async function tryWalls(directory: string): Promise<Omit<Containment, "contained">> {
  if (process.platform !== "linux") return { reason: `bubblewrap needs Linux, and this is ${process.platform}.` };
  const folder = await mkdtemp(join(tmpdir(), "skein-probe-"));
  try {
    const accounts = await writeAccounts(directory);
    const mounts = {
      workspace: join(folder, "workspace"),
      home: join(folder, "home"),
      run: join(folder, "run"),
      accounts,
    };
    for (const path of [mounts.workspace, mounts.home, mounts.run]) await mkdir(path);
    const profile = createBubblewrapProfile(findBoxRuntime(), mounts, "none");
    const enter = (command: readonly string[]): Promise<ProcessResult> =>
      runProcess([...command, ...profile.args, "--", profile.node, "-e", "process.exit(42)"], {
        env: { PATH: process.env["PATH"] ?? "" },
        timeoutMs: PROBE_MS,
      });
    const filter = await writeFilter(accounts);
    const filtered = filter === undefined ? undefined : await enter([...READ_FILTER, filter]);
    if (filter !== undefined && filtered?.exitCode === 42) return { filter };
    const result = await enter(["bwrap"]);
    if (result.notFound) return { reason: "there is no bwrap on the PATH." };
    if (result.exitCode !== 42) return { reason: `bubblewrap cannot start a box: ${toWords(result)}.` };
    return {
      filterReason:
        filtered === undefined
          ? `there is no filter for ${process.arch}`
          : `the kernel or bubblewrap refuses it: ${toWords(filtered)}`,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
