import type { ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ProcessIdentity } from "../../internal/process-identity.ts";
import { identifyProcess } from "../../internal/process-identity.ts";
import { SandboxError } from "../../errors.ts";
import { throwIfAborted } from "../../internal/abort.ts";
import { startProcess } from "../../internal/spawn-process.ts";
import type { BoxdClient, BoxdConfig } from "../boxd/index.ts";
import { BOX_ID_VARIABLE, CONFIG_NAME, findBoxRuntime, hostBoxdMain, packageVersion } from "../boxd/index.ts";
import type { CgroupKind } from "./box-cgroup.ts";
import { createBoxCgroup } from "./box-cgroup.ts";
import { createBubblewrapProfile, INSIDE } from "./bubblewrap-profile.ts";
import { toLimitCommand } from "./resource-limits.ts";
import type { BoxRecord, BoxSpec } from "../provider/index.ts";
import type { BoxPaths } from "./box-paths.ts";

const START_MS = 60_000;
const LOG_TAIL = 500;

export interface StartBoxOptions {
  readonly record: BoxRecord;
  readonly paths: BoxPaths;
  /** The folder with the accounts of a contained box. */
  readonly accounts: string;
  readonly limitsAvailable: boolean;
  readonly cgroups?: CgroupKind;
  /** The file with the filter of a contained box's system calls. */
  readonly filter?: string;
  readonly client: BoxdClient;
  readonly signal?: AbortSignal;
}

/**
 * Starts boxd for a box whose folders are there and waits until it answers. It is detached and holds nothing of this process:
 * the box goes on when this process is killed.
 *
 * @returns the process whose death is the end of the box
 * @throws SandboxError `box_create_failed`
 */
export async function startBox(options: StartBoxOptions): Promise<ProcessIdentity> {
  const { record, paths, client, signal } = options;
  const start = record.contained ? await prepareContained(options) : await preparePlain(options);
  const files = start.files.map(({ path, flags }) => openSync(path, flags, 0o600));
  let ended: string | undefined;
  const child = startProcess(start.command, {
    cwd: paths.workspace,
    env: start.env,
    stdio: ["ignore", "ignore", "pipe", ...files],
    detached: true,
  });
  for (const file of files) closeSync(file);
  const words = hearStart(child);
  child.once("error", (error) => (ended = error.message));
  child.once("exit", (code, killer) => (ended = `it ended with ${code ?? killer ?? "nothing"}`));
  const deadline = performance.now() + START_MS;
  for (;;) {
    throwIfAborted(signal);
    // A look that failed is the usual case while boxd starts; why it never answers stands in its log.
    if (
      await client.health().then(
        () => true,
        () => false,
      )
    )
      break;
    if (ended !== undefined || performance.now() > deadline) {
      const said = words.release();
      throw new SandboxError(
        "box_create_failed",
        `The box ${record.id} did not start: ${ended ?? `no answer in ${START_MS / 1000} seconds`}.${said === "" ? "" : ` It said: ${said}`}`,
        { retryable: ended === undefined },
      );
    }
    await delay(5);
  }
  words.release();
  const pid = record.contained ? await readNamespacePid(paths) : child.pid;
  const identity = pid === undefined ? undefined : identifyProcess(pid);
  if (identity === undefined)
    throw new SandboxError("box_create_failed", `The box ${record.id} ended as soon as it had started.`, {
      retryable: true,
    });
  return identity;
}

/**
 * Hears what goes wrong before boxd can keep a log of its own. It is a pipe and not a file, because whatever a box's process holds open can
 * be found and written to from inside; once the box has started nobody reads it any more.
 */
function hearStart(child: ChildProcess): { release(): string } {
  let said = "";
  const pipe = child.stderr as Socket;
  pipe.unref();
  pipe
    .setEncoding("utf8")
    .on("error", () => {})
    .on("data", (text: string) => (said = (said + text).slice(-LOG_TAIL)));
  return {
    release: () => {
      pipe.destroy();
      return said.trim();
    },
  };
}

/** The first process of the box's pid namespace, as bubblewrap wrote it down. */
export async function readNamespacePid(paths: BoxPaths): Promise<number | undefined> {
  const text = await readFile(paths.status, "utf8").catch(() => "");
  const pid = /"child-pid": (\d+)/.exec(text)?.[1];
  return pid === undefined ? undefined : Number(pid);
}

interface PreparedStart {
  readonly command: readonly string[];
  readonly env: Record<string, string>;
  /** Opened and passed on as the descriptors from 3. */
  readonly files: readonly { readonly path: string; readonly flags: string }[];
}

async function prepareContained({
  record,
  paths,
  accounts,
  limitsAvailable,
  cgroups,
  filter,
}: StartBoxOptions): Promise<PreparedStart> {
  const runtime = findBoxRuntime();
  const { spec } = record;
  const profile = createBubblewrapProfile(runtime, { ...paths, accounts, ...toMount(spec.agentFolder) }, spec.network);
  const env = createEnvironment(record.id, profile.path, INSIDE.home, spec.env);
  const { enter, limit, measured } = toLimits(record, limitsAvailable, cgroups);
  await writeConfig(record, paths, INSIDE, runtime.version, env, measured);
  // The arguments go by file: a command line can be read inside, and tells where on the host the box lies.
  const argumentsFile = join(paths.root, "bubblewrap.args");
  const base = Object.entries(createEnvironment(record.id, profile.path, INSIDE.home, {})).flatMap(([name, value]) => [
    "--setenv",
    name,
    value,
  ]);
  await writeFile(argumentsFile, [...profile.args, ...base, "--json-status-fd", "4"].join("\0"), { mode: 0o600 });
  return {
    command: [
      ...enter,
      "bwrap",
      "--args",
      "3",
      ...(filter === undefined ? [] : ["--seccomp", "5"]),
      "--",
      ...limit,
      profile.node,
      runtime.boxdMain,
      `${INSIDE.run}/${CONFIG_NAME}`,
      record.id,
    ],
    env: { PATH: process.env["PATH"] ?? "" },
    files: [
      { path: argumentsFile, flags: "r" },
      { path: paths.status, flags: "w" },
      ...(filter === undefined ? [] : [{ path: filter, flags: "r" }]),
    ],
  };
}

/**
 * Control groups hold for the box as a whole, rlimits for each of its processes: what the former hold the latter need not. Without groups boxd
 * measures the whole, where it sees no process but the box's.
 */
function toLimits(
  { id, contained, spec: { limits } }: BoxRecord,
  limitsAvailable: boolean,
  cgroups: CgroupKind | undefined,
): {
  readonly enter: readonly string[];
  readonly limit: readonly string[];
  readonly measured: BoxdConfig["measured"];
} {
  const { diskMb, ...whole } = limits;
  const isAny = Object.keys(whole).length > 0;
  const isGrouped = cgroups !== undefined && isAny;
  return {
    enter: isGrouped ? createBoxCgroup(cgroups, id, limits) : [],
    limit: limitsAvailable ? toLimitCommand(isGrouped ? (diskMb === undefined ? {} : { diskMb }) : limits) : [],
    measured: isGrouped || !contained || !isAny ? undefined : whole,
  };
}

function toMount(agentFolder: string | undefined): { readonly agent?: string } {
  return agentFolder === undefined ? {} : { agent: agentFolder };
}

async function preparePlain({ record, paths, limitsAvailable, cgroups }: StartBoxOptions): Promise<PreparedStart> {
  const env = createEnvironment(record.id, process.env["PATH"] ?? "", paths.home, record.spec.env);
  await writeConfig(record, paths, paths, packageVersion(), env);
  const { enter, limit } = toLimits(record, limitsAvailable, cgroups);
  return {
    command: [...enter, ...limit, process.execPath, hostBoxdMain(), join(paths.run, CONFIG_NAME), record.id],
    env: createEnvironment(record.id, process.env["PATH"] ?? "", paths.home, {}),
    files: [],
  };
}

/** Nothing of the host's environment but what names the language and the time zone, then what the box was given. */
function createEnvironment(boxId: string, path: string, home: string, own: BoxSpec["env"]): Record<string, string> {
  const { LANG, TZ } = process.env;
  return {
    PATH: path,
    HOME: home,
    LANG: LANG ?? "C.UTF-8",
    ...(TZ === undefined ? {} : { TZ }),
    ...own,
    [BOX_ID_VARIABLE]: boxId,
  };
}

async function writeConfig(
  record: BoxRecord,
  paths: BoxPaths,
  inside: { readonly workspace: string; readonly home: string; readonly run: string },
  version: string,
  env: Record<string, string>,
  measured?: BoxdConfig["measured"],
): Promise<void> {
  const { profile, claimMs, agentStart, gateway, agentFolder, limits } = record.spec;
  const config: BoxdConfig = {
    boxId: record.id,
    version,
    contained: record.contained,
    workspace: inside.workspace,
    home: inside.home,
    run: inside.run,
    claimMs,
    profile,
    env,
    agentStart,
    ...(gateway === undefined ? {} : { gateway }),
    ...(limits.diskMb === undefined ? {} : { diskMb: limits.diskMb }),
    ...(measured === undefined ? {} : { measured }),
    ...(agentFolder === undefined ? {} : { agentFolder: record.contained ? INSIDE.agent : agentFolder }),
  };
  await mkdir(paths.run, { recursive: true });
  await writeFile(join(paths.run, CONFIG_NAME), JSON.stringify(config), { mode: 0o600 });
}
