import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SandboxError } from "../../errors.ts";
import { throwIfAborted } from "../../internal/abort.ts";
import type { ProcessIdentity } from "../../internal/process-identity.ts";
import { identifyProcess, isAlive } from "../../internal/process-identity.ts";
import type { BoxdClient } from "../boxd/index.ts";
import { CONFIG_NAME } from "../boxd/index.ts";
import type { BoxRecord } from "../provider/index.ts";
import {
  describeFailure,
  BOX_LABEL,
  DIRECTORY_LABEL,
  INSIDE,
  runtimesFolder,
  TMP_BYTES,
  toContainerConfig,
  toContainerEnvironment,
  toContainerName,
  toHostname,
  toStartCommand,
} from "../provider/index.ts";
import type { BoxLimits } from "../sandbox.ts";
import type { ContainerPaths } from "./container-paths.ts";
import type { PodmanCommand } from "./podman-command.ts";

const START_MS = 60_000;
/** Names the file of CRIU's options to the runtime. It lies in the box's folder, so it names the box too. */
export const CRIU_ANNOTATION = "org.criu.config";

export interface StartContainerOptions {
  readonly directory: string;
  readonly record: BoxRecord;
  readonly runtime: string;
  readonly image: string;
  readonly paths: ContainerPaths;
  readonly podman: PodmanCommand;
  readonly signal?: AbortSignal;
}

/**
 * Starts the container of a box whose tree is there.
 *
 * @returns its first process, whose death is the end of the box
 * @throws SandboxError `box_create_failed`, `box_image_unknown`
 */
export async function startContainer(options: StartContainerOptions): Promise<ProcessIdentity> {
  const { directory, record, image, paths, podman, signal } = options;
  await writeConfig(record, paths);
  await writeCriuOptions(paths);
  const args = await toRunArguments(options);
  const result = await podman.try(args, {
    directory,
    scratch: paths.scratch,
    ...(signal === undefined ? {} : { signal }),
  });
  throwIfAborted(signal);
  if (result.exitCode !== 0) {
    const why = describeFailure(result);
    if (/image not known|unable to find .* in local storage|no such image/i.test(result.stderr)) {
      throw new SandboxError(
        "box_image_unknown",
        `There is no image ${image} here; fetch it with "podman pull ${image}", or leave the image out for one that Skein makes of this machine.`,
      );
    }
    if (/executable file .*not found|no such file or directory/i.test(why) && /sh/.test(why)) {
      throw new SandboxError("box_create_failed", `The image ${image} has no /bin/sh: ${why}`);
    }
    throw new SandboxError("box_create_failed", `The container of ${record.id} did not start: ${why}`, {
      retryable: result.timedOut,
    });
  }
  return readFirstProcess(record.id, paths);
}

/** What CRIU is told past Podman. */
export async function writeCriuOptions(paths: ContainerPaths): Promise<void> {
  await writeActionScript(paths, []);
  await writeFile(
    paths.criu,
    [
      "tcp-close",
      "file-locks",
      "link-remap",
      "ghost-limit 64M",
      "skip-in-flight",
      `irmap-scan-path ${INSIDE.workspace}`,
      `action-script ${paths.actionScript}`,
      "",
    ].join("\n"),
  );
}

/** In the folder of a dump: what the command said that was run while everything was stopped. */
export const SAID_WHILE_STOPPED = "while-stopped.log";

/** What CRIU runs while everything in the box is stopped: between the dump of its memory and its going on. */
export async function writeActionScript(paths: ContainerPaths, command: readonly string[]): Promise<void> {
  const words = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  const script =
    command.length === 0
      ? ""
      : `if [ "$CRTOOLS_SCRIPT_ACTION" = post-dump ]; then exec ${words} >"$CRTOOLS_IMAGE_DIR/../${SAID_WHILE_STOPPED}" 2>&1; fi\n`;
  await writeFile(paths.actionScript, `#!/bin/sh\n${script}exit 0\n`, { mode: 0o700 });
}

/** The first process of a container that Podman has just started or restored. */
export async function readFirstProcess(id: string, paths: ContainerPaths): Promise<ProcessIdentity> {
  const pid = Number(await readFile(paths.pidFile, "utf8").catch(() => ""));
  const identity = identifyProcess(pid);
  if (identity !== undefined) return identity;
  throw new SandboxError(
    "box_create_failed",
    `The box ${id} ended as soon as it had started; its image needs /bin/sh and Node 20.19 or later on its PATH.`,
  );
}

/** Waits until boxd answers. @throws SandboxError `box_create_failed` */
export async function waitForBoxd(
  { record, image, signal }: StartContainerOptions,
  client: BoxdClient,
  identity: ProcessIdentity,
): Promise<void> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    throwIfAborted(signal);
    // A look that failed is the usual case while boxd starts.
    const answers = await client.health().then(
      () => true,
      () => false,
    );
    if (answers) return;
    const isOver = !isAlive(identity);
    if (isOver || performance.now() > deadline) {
      throw new SandboxError(
        "box_create_failed",
        isOver
          ? `The box ${record.id} ended as it started; the image ${image} needs /bin/sh and Node 20.19 or later on its PATH.`
          : `The box ${record.id} did not answer in ${START_MS / 1000} seconds.`,
        { retryable: !isOver },
      );
    }
    await delay(5);
  }
}

async function toRunArguments({ directory, record, runtime, image, paths }: StartContainerOptions): Promise<string[]> {
  const { spec, id } = record;
  const mount = (source: string, target: string, mode: "rw" | "ro"): string[] => [
    "--mount",
    `type=bind,source=${source},target=${target}${mode === "ro" ? ",ro" : ""}`,
  ];
  return [
    "run",
    "--detach",
    "--pull=never",
    `--name=${toContainerName(id)}`,
    `--hostname=${toHostname(id)}`,
    `--label=${BOX_LABEL}=${id}`,
    `--label=${DIRECTORY_LABEL}=${directory}`,
    `--pidfile=${paths.pidFile}`,
    `--annotation=${CRIU_ANNOTATION}=${paths.criu}`,
    `--network=${spec.network}`,
    "--log-driver=none",
    "--restart=no",
    "--systemd=false",
    "--http-proxy=false",
    "--no-healthcheck",
    "--read-only",
    "--read-only-tmpfs=false",
    "--tmpfs=/run:rw,nosuid,nodev,mode=0755",
    `--tmpfs=/tmp:rw,nosuid,nodev,mode=1777,size=${TMP_BYTES}`,
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    ...(await toLimits(spec.limits)),
    ...mount(paths.workspace, INSIDE.workspace, "rw"),
    ...mount(paths.home, INSIDE.home, "rw"),
    ...mount(paths.config, INSIDE.config, "ro"),
    ...mount(join(runtimesFolder(directory), runtime), INSIDE.runtime, "ro"),
    ...(spec.agentFolder === undefined ? [] : mount(spec.agentFolder, INSIDE.agent, "ro")),
    `--workdir=${INSIDE.workspace}`,
    "--user=0:0",
    "--env-host=false",
    ...Object.entries(toContainerEnvironment(record)).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
    "--entrypoint=/bin/sh",
    image,
    "-c",
    toStartCommand(),
  ];
}

/** The limits of this process are the highest that can be given on without a right that containers' hosts often lack. */
async function toLimits({ cpu, memoryMb, pids, diskMb }: BoxLimits): Promise<string[]> {
  const own = await readFile("/proc/self/limits", "utf8");
  const highest = (name: string, wanted: number): number => {
    const hard = new RegExp(`^${name}\\s+\\S+\\s+(\\S+)`, "m").exec(own)?.[1];
    const limit = Number(hard);
    return Number.isFinite(limit) ? Math.min(limit, wanted) : wanted;
  };
  const files = highest("Max open files", 16_384);
  const processes = highest("Max processes", 16_384);
  return [
    `--ulimit=nofile=${files}:${files}`,
    `--ulimit=nproc=${processes}:${processes}`,
    "--ulimit=core=0:0",
    ...(cpu === undefined ? [] : [`--cpus=${cpu}`]),
    ...(memoryMb === undefined ? [] : [`--memory=${Math.round(memoryMb)}m`, `--memory-swap=${Math.round(memoryMb)}m`]),
    ...(pids === undefined ? [] : [`--pids-limit=${Math.round(pids)}`]),
    ...(diskMb === undefined
      ? []
      : [`--ulimit=fsize=${Math.round(diskMb * 1024 * 1024)}:${Math.round(diskMb * 1024 * 1024)}`]),
  ];
}

async function writeConfig(record: BoxRecord, paths: ContainerPaths): Promise<void> {
  await mkdir(paths.config, { recursive: true });
  await mkdir(paths.scratch, { recursive: true });
  await writeFile(join(paths.config, CONFIG_NAME), JSON.stringify(toContainerConfig(record, false)), { mode: 0o600 });
  await chmod(paths.config, 0o755);
}
