import { mkdir } from "node:fs/promises";
import { SandboxError } from "../../errors.ts";
import { throwIfAborted } from "../../internal/abort.ts";
import type { ProcessIdentity } from "../../internal/process-identity.ts";
import { toContainerName, toHostname, describeFailure } from "../provider/index.ts";
import type { CheckpointPaths, ContainerPaths } from "./container-paths.ts";
import { toOwnPart } from "./container-paths.ts";
import { explainCriuFailure } from "./criu-log.ts";
import type { PodmanCommand } from "./podman-command.ts";
import { rewriteArchive } from "./rewrite-archive.ts";
import { readFirstProcess, writeCriuOptions } from "./start-container.ts";

export interface RestoreContainerOptions {
  readonly directory: string;
  readonly id: string;
  /** The box that the checkpoint was taken of. */
  readonly parentId: string;
  readonly network: "none" | "host";
  readonly paths: ContainerPaths;
  readonly source: CheckpointPaths;
  readonly podman: PodmanCommand;
  readonly signal?: AbortSignal;
}

/**
 * Wakes the processes of a checkpoint as another box, whose tree is there already.
 *
 * @returns its first process
 * @throws SandboxError `fork_failed`
 */
export async function restoreContainer(options: RestoreContainerOptions): Promise<ProcessIdentity> {
  const { directory, id, parentId, network, paths, source, podman, signal } = options;
  await mkdir(paths.config, { recursive: true });
  await mkdir(paths.scratch, { recursive: true });
  await writeCriuOptions(paths);
  const copied = await podman.host(["cp", "--reflink=auto", "--", source.memory, paths.archive]);
  if (copied.exitCode !== 0)
    throw new SandboxError(
      "fork_failed",
      `The checkpoint of ${parentId} could not be read: ${describeFailure(copied)}`,
    );
  await rewriteArchive(paths.archive, toOwnPart(parentId), toOwnPart(id));
  throwIfAborted(signal);
  const result = await podman.try(
    ["container", "restore", `--import=${paths.archive}`, `--name=${toContainerName(id)}`],
    { directory, scratch: paths.scratch, ...(signal === undefined ? {} : { signal }) },
  );
  throwIfAborted(signal);
  if (result.exitCode !== 0) {
    throw new SandboxError(
      "fork_failed",
      `The checkpoint of ${parentId} could not be woken: ${result.timedOut ? "it took too long." : await explainCriuFailure(result.stderr)}`,
    );
  }
  const first = await readFirstProcess(id, paths);
  await giveOwnNames(first, id, network, podman);
  return first;
}

/** The host name comes with the memory, and a new network has no loopback yet. */
async function giveOwnNames(
  { pid }: ProcessIdentity,
  id: string,
  network: "none" | "host",
  podman: PodmanCommand,
): Promise<void> {
  const own = network === "none";
  const commands = [`hostname ${toHostname(id)}`, ...(own ? ["ip link set lo up"] : [])].join(" && ");
  const result = await podman.host([
    "nsenter",
    `--target=${pid}`,
    "--uts",
    ...(own ? ["--net"] : []),
    "--",
    "/bin/sh",
    "-c",
    commands,
  ]);
  if (result.exitCode !== 0)
    throw new SandboxError(
      "fork_failed",
      `The fork ${id} could not be given its own names: ${describeFailure(result)}`,
    );
}
