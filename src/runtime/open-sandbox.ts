import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ValidationError } from "../errors.ts";
import type { BoxGateway } from "../sandbox/box-gateway.ts";
import { openLocalSandbox } from "../sandbox/local/index.ts";
import type { Box, BoxInfo, Labels, SandboxClient } from "../sandbox/sandbox.ts";
import { BOXES_FOLDER, CONTAINERS_FOLDER, DOCKER_FOLDER } from "./data-directory.ts";

/** What a box is made of: `local`, a process tree of this machine, contained where it can be; `podman`, a container; `docker`, a container of a Docker engine, here or elsewhere. */
export type SandboxName = "local" | "podman" | "docker";

export const SANDBOX_NAMES = ["local", "podman", "docker"] as const satisfies readonly SandboxName[];

/** A sandbox of a data directory. */
export interface RuntimeSandbox extends SandboxClient, AsyncDisposable {
  readonly capabilities: { readonly contained: boolean; readonly reason?: string };
  attach(boxId: string): Promise<Box | null>;
  list(labels?: Labels): Promise<BoxInfo[]>;
  sweep(): Promise<readonly string[]>;
  /** Removes what is left of a box that cannot be attached to. */
  discard(boxId: string): Promise<void>;
  close(): Promise<void>;
}

export interface OpenSandboxOptions {
  readonly containment?: "auto" | "require" | "none";
  /** The folder that agents were installed into. */
  readonly agents?: string;
  /** The way of its boxes to models. */
  readonly gateway?: BoxGateway;
}

const FOLDERS: Readonly<Record<SandboxName, string>> = {
  local: BOXES_FOLDER,
  podman: CONTAINERS_FOLDER,
  docker: DOCKER_FOLDER,
};

/**
 * Opens a sandbox of a data directory.
 *
 * @throws ValidationError `not_contained`, `sandbox_unavailable`, and `invalid_option` for containers that are not to be contained
 */
export async function openSandboxIn(
  directory: string,
  name: SandboxName,
  options: OpenSandboxOptions = {},
): Promise<RuntimeSandbox> {
  const folder = join(directory, FOLDERS[name]);
  if (name === "local") return openLocalSandbox({ directory: folder, ...options });
  const { containment, ...common } = options;
  if (containment === "none")
    throw new ValidationError(
      "invalid_option",
      "Containers are always contained; leave containment out, or use local boxes.",
    );
  // Whoever makes no containers does not wait for what makes them.
  if (name === "docker") {
    const { openDockerSandbox } = await import("../sandbox/docker/index.ts");
    return openDockerSandbox({ directory: folder, ...common });
  }
  const { openPodmanSandbox } = await import("../sandbox/podman/index.ts");
  return openPodmanSandbox({ directory: folder, ...common });
}

/** The sandboxes that have boxes or checkpoints on record in a data directory: a look that makes nothing. */
export async function listUsedSandboxes(directory: string): Promise<SandboxName[]> {
  const used: SandboxName[] = [];
  for (const name of SANDBOX_NAMES) {
    const folder = join(directory, FOLDERS[name]);
    const entries = await Promise.all(
      ["boxes", "checkpoints"].map((kept) => readdir(join(folder, kept)).catch(() => [])),
    );
    if (entries.some((ids) => ids.length > 0)) used.push(name);
  }
  return used;
}
