import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { SkeinError, ValidationError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import type { BoxGateway } from "../box-gateway.ts";
import { boxesFolder, checkpointsFolder, runtimesFolder } from "../provider/index.ts";
import { MAX_LAYERS } from "./checkpoints.ts";
import { buildEngineImage } from "./container-images.ts";
import { DockerEngine } from "./docker-engine.ts";
import { DockerSandboxClient } from "./docker-sandbox-client.ts";
import { loadDockerode } from "./load-dockerode.ts";

/** @stable */
export interface DockerSandboxOptions {
  /** Where records lie. Made where it is missing. Workspaces and checkpoints lie in the engine. */
  readonly directory: string;
  /**
   * The engine: `unix:///path` or `tcp://host:port`. Default: what the `DOCKER_*` variables of the environment say (also `ssh://`, and TLS with
   * `DOCKER_CERT_PATH`), else the engine of this machine.
   */
  readonly host?: string;
  /** The image of boxes that name none. Default: one that is made of this machine's own programs when it is first needed. */
  readonly image?: string;
  /**
   * How many boxes that this client makes may live at once; `create` and forks wait in line for a place, in their order. Default: no limit.
   * A loop that forks holds the parent and its branches at once: with fewer places than that it waits until it is aborted.
   */
  readonly maxBoxes?: number;
  /** A checkpoint of a box whose image has this many layers is made into one layer. Default 100. */
  readonly maxLayers?: number;
  /** The folder into which `skein agents install` put agents. Boxes of a profile that names one have it. Default: none. */
  readonly agents?: string;
  /** The way to models of boxes that are given none of their own, and of those that are attached or restored. Default: none. */
  readonly gateway?: BoxGateway;
}

const LABEL_FILE = "engine-label";

/**
 * Opens a sandbox whose boxes are containers of a Docker engine, on this machine or another, without a network unless asked for. Boxes are forked with
 * their files. Needs the package `dockerode`. Boxes that a dead owner left are swept (B3).
 *
 * @throws ValidationError `sandbox_unavailable` where there is no engine that answers, or dockerode is not installed
 * @stable
 */
export async function openDockerSandbox(options: DockerSandboxOptions): Promise<DockerSandboxClient> {
  const directory = resolve(options.directory);
  const { engine, engineVersion } = await openEngine(options.host);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const folder of [boxesFolder(directory), checkpointsFolder(directory), runtimesFolder(directory)])
    await mkdir(folder, { recursive: true });
  const client = new DockerSandboxClient({
    directory,
    engine,
    engineVersion,
    label: await readLabel(directory),
    image: options.image,
    maxBoxes: options.maxBoxes,
    maxLayers: options.maxLayers ?? MAX_LAYERS,
    gateway: options.gateway,
    agents: options.agents === undefined ? undefined : resolve(options.agents),
  });
  await client.sweep();
  return client;
}

/**
 * Makes the image of boxes that name none, of this machine's own programs, and sends it to the engine. `openDockerSandbox` does so by itself when it is needed.
 *
 * @returns the image's name
 * @throws SandboxError `box_create_failed`, ValidationError `sandbox_unavailable`
 * @stable
 */
export async function buildDockerImage(
  options: Pick<DockerSandboxOptions, "host"> & { readonly name?: string } = {},
): Promise<string> {
  const { engine } = await openEngine(options.host);
  return buildEngineImage(engine, options.name);
}

async function openEngine(host: string | undefined): Promise<{ engine: DockerEngine; engineVersion: string }> {
  const Docker = await loadDockerode();
  const name = host ?? process.env["DOCKER_HOST"] ?? "its usual socket";
  try {
    const engine = new DockerEngine(new Docker(host === undefined ? {} : toConnection(host)), name);
    const { name: kind, version } = await engine.version();
    return { engine, engineVersion: `${kind} ${version}` };
  } catch (cause) {
    if (SkeinError.is(cause) && cause.code === "invalid_option") throw cause;
    throw new ValidationError(
      "sandbox_unavailable",
      `Boxes over a Docker engine cannot be made here: ${(cause as Error).message} See docs/guides/docker.md.`,
      { cause },
    );
  }
}

function toConnection(host: string): { socketPath: string } | { host: string; port: number; protocol: "http" } {
  if (host.startsWith("unix://")) return { socketPath: host.slice("unix://".length) };
  const address = URL.canParse(host) ? new URL(host) : undefined;
  if (address?.protocol === "tcp:" && address.port !== "")
    return { host: address.hostname, port: Number(address.port), protocol: "http" };
  throw new ValidationError(
    "invalid_option",
    `The engine ${JSON.stringify(host)} is neither unix:///path nor tcp://host:port; for TLS and ssh set DOCKER_HOST and leave host out.`,
  );
}

/** What this directory's containers and images are found by. It is made up: two machines may have one path, and share one engine. */
async function readLabel(directory: string): Promise<string> {
  const path = join(directory, LABEL_FILE);
  // Who comes second takes what the first wrote.
  await writeFile(path, createId("directory"), { flag: "wx", mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  return (await readFile(path, "utf8")).trim();
}
