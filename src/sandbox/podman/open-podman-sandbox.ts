import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { ValidationError } from "../../errors.ts";
import type { BoxGateway } from "../box-gateway.ts";
import { boxesFolder, checkpointsFolder, runtimesFolder } from "../provider/index.ts";
import { buildBoxImage } from "./box-image.ts";
import { CowTree } from "./cow-tree.ts";
import { PodmanCommand } from "./podman-command.ts";
import { PodmanSandboxClient } from "./podman-sandbox-client.ts";

/** @stable */
export interface PodmanSandboxOptions {
  /** Where records, workspaces and checkpoints lie. Made where it is missing. On btrfs a fork's files are a snapshot. */
  readonly directory: string;
  /** The image of boxes that name none. Default: one that is made of this machine's own programs when it is first needed. */
  readonly image?: string;
  /** Podman's program. Default: `podman` of the PATH. */
  readonly podman?: string;
  /** The OCI runtime. Default: runc where it is installed. */
  readonly runtime?: string;
  /**
   * How many boxes that this client makes may live at once; `create` and forks wait in line for a place, in their order. Default: no limit.
   * A loop that forks holds the parent and its branches at once: with fewer places than that it waits until it is aborted.
   */
  readonly maxBoxes?: number;
  /** The folder into which `skein agents install` put agents. Boxes of a profile that names one see it, read-only. Default: none. */
  readonly agents?: string;
  /** The way to models of boxes that are given none of their own, and of those that are attached or restored. Default: none. */
  readonly gateway?: BoxGateway;
}

/**
 * Opens a sandbox whose boxes are Podman containers, without a network unless asked for; where CRIU works here, a box is forked with the memory
 * of everything that runs in it. Boxes that a dead owner left are swept (B3).
 *
 * @throws ValidationError `sandbox_unavailable` where there is no Podman that works
 * @stable
 */
export async function openPodmanSandbox(options: PodmanSandboxOptions): Promise<PodmanSandboxClient> {
  const directory = resolve(options.directory);
  if (/[,:]/.test(directory))
    throw new ValidationError(
      "invalid_option",
      `Podman cannot mount folders below ${directory}, whose path has a comma or a colon; choose another directory.`,
    );
  const podman = createPodman(options);
  await checkPodman(podman);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const folder of [boxesFolder(directory), checkpointsFolder(directory), runtimesFolder(directory)])
    await mkdir(folder, { recursive: true });
  const cow = await CowTree.open(directory, podman);
  const client = new PodmanSandboxClient({
    directory,
    podman,
    cow,
    image: options.image,
    maxBoxes: options.maxBoxes,
    gateway: options.gateway,
    agents: options.agents === undefined ? undefined : resolve(options.agents),
  });
  await client.sweep();
  return client;
}

/**
 * Makes the image of boxes that name none, of this machine's own programs; nothing is fetched. `openPodmanSandbox` does so by itself when it is needed.
 *
 * @returns the image's name
 * @throws SandboxError `box_create_failed`, ValidationError `sandbox_unavailable`
 * @stable
 */
export async function buildPodmanImage(
  options: Pick<PodmanSandboxOptions, "podman" | "runtime"> & { readonly name?: string } = {},
): Promise<string> {
  const podman = createPodman(options);
  await checkPodman(podman);
  return buildBoxImage(podman, options.name);
}

function createPodman({ podman, runtime }: Pick<PodmanSandboxOptions, "podman" | "runtime">): PodmanCommand {
  return new PodmanCommand({
    ...(podman === undefined ? {} : { program: podman }),
    ...(runtime === undefined ? {} : { runtime }),
  });
}

async function checkPodman(podman: PodmanCommand): Promise<void> {
  const result = await podman.try(["--version"]);
  if (result.exitCode === 0 && process.getuid?.() === 0) return;
  const why = result.notFound
    ? "there is no podman on the PATH"
    : result.exitCode === 0
      ? "it needs root, because CRIU does"
      : `podman does not run: ${result.stderr.trim().split("\n").at(-1) ?? ""}`;
  throw new ValidationError(
    "sandbox_unavailable",
    `Boxes in containers cannot be made here: ${why}. See docs/guides/podman.md, or leave --sandbox out for boxes without containers.`,
  );
}
