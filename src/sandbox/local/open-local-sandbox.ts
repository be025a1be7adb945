import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import type { BoxGateway } from "../box-gateway.ts";
import { findCgroups } from "./box-cgroup.ts";
import type { ContainmentWish } from "./containment.ts";
import { decideContainment, writeAccounts } from "./containment.ts";
import { LocalSandboxClient } from "./local-sandbox-client.ts";
import { canLimit } from "./resource-limits.ts";
import { boxesFolder, FileTrees } from "../provider/index.ts";

/** @stable */
export interface LocalSandboxOptions {
  /** Where boxes and checkpoints lie. Made where it is missing. */
  readonly directory: string;
  /**
   * `auto` (the default): boxes are contained where bubblewrap can start one, and plain processes where it cannot; `capabilities` says which.
   * `require`: ValidationError `not_contained` where it cannot. `none`: plain processes.
   */
  readonly containment?: ContainmentWish;
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
 * Opens the sandbox of this machine: the embedded default, without root and without anything installed, contained where bubblewrap is.
 * Boxes that a dead owner left are swept (B3).
 *
 * @throws ValidationError `not_contained`
 * @stable
 */
export async function openLocalSandbox(options: LocalSandboxOptions): Promise<LocalSandboxClient> {
  const directory = resolve(options.directory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await mkdir(boxesFolder(directory), { recursive: true });
  const [containment, limitsAvailable, accounts, trees] = await Promise.all([
    decideContainment(options.containment ?? "auto", directory),
    canLimit(),
    writeAccounts(directory),
    FileTrees.open(directory),
  ]);
  const cgroups = process.platform === "linux" ? findCgroups() : undefined;
  const client = new LocalSandboxClient({
    directory,
    containment,
    accounts,
    limitsAvailable,
    trees,
    ...(cgroups === undefined ? {} : { cgroups }),
    ...(options.maxBoxes === undefined ? {} : { maxBoxes: options.maxBoxes }),
    ...(options.agents === undefined ? {} : { agents: resolve(options.agents) }),
    ...(options.gateway === undefined ? {} : { gateway: options.gateway }),
  });
  await client.sweep();
  return client;
}
