import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ValidationError } from "../../errors.ts";
import { runProcess } from "../../internal/spawn-process.ts";
import { findBoxRuntime } from "../boxd/index.ts";
import { ACCOUNTS, createBubblewrapProfile } from "./bubblewrap-profile.ts";

/** @stable */
export type ContainmentWish = "auto" | "require" | "none";

export interface Containment {
  readonly contained: boolean;
  /** Why it is not. */
  readonly reason?: string;
}

const PROBE_MS = 20_000;
const INSTALL = "Install bubblewrap (Debian: apt-get install bubblewrap) to have boxes contained.";

/** Decides what boxes are made of here, from a contained process that was really started. @throws ValidationError `not_contained` */
export async function decideContainment(wish: ContainmentWish, directory: string): Promise<Containment> {
  if (wish === "none") return { contained: false, reason: "containment was switched off" };
  const reason = await findObstacle(directory);
  if (reason === undefined) return { contained: true };
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

async function findObstacle(directory: string): Promise<string | undefined> {
  if (process.platform !== "linux") return `bubblewrap needs Linux, and this is ${process.platform}.`;
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
    const env = { PATH: process.env["PATH"] ?? "" };
    const result = await runProcess(["bwrap", ...profile.args, "--", profile.node, "-e", "process.exit(42)"], {
      env,
      timeoutMs: PROBE_MS,
    });
    if (result.notFound) return "there is no bwrap on the PATH.";
    if (result.exitCode === 42) return undefined;
    return `bubblewrap cannot start a box: ${result.stderr.trim().split("\n").at(-1) || `it ended with ${result.exitCode ?? result.signal ?? "nothing"}`}.`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
