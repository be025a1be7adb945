import { mkdir } from "node:fs/promises";
import { createId } from "../../internal/ids.ts";
import type { Box, ForkStatus } from "../sandbox.ts";
import type { LocalBox } from "./local-box.ts";
import type { BoxSpec } from "../provider/index.ts";
import { PROBE_LABEL } from "../provider/index.ts";
import type { BoxPaths } from "./box-paths.ts";

/** What the probe needs of the client that it asks for. */
export interface ForkProbeClient {
  createFrom(
    spec: BoxSpec,
    options: { readonly labels: Readonly<Record<string, string>> },
    fill: (paths: BoxPaths) => Promise<void>,
  ): Promise<LocalBox>;
  deleteCheckpoint(checkpointId: string): Promise<void>;
}

const FILE = "marker";

/** A tiny box without an agent; only its files are of interest. */
const SPEC: BoxSpec = {
  profile: { name: "fork probe" },
  env: {},
  network: "none",
  limits: {},
  claimMs: 60_000,
  agentStart: "lazy",
};

/** Says what a fork is here, from one that was really made, read back, and changed without its parent noticing. */
export async function probeFork(client: ForkProbeClient): Promise<ForkStatus> {
  const boxes: Box[] = [];
  const checkpoints: string[] = [];
  try {
    const marker = createId("marker");
    const parent = await client.createFrom(SPEC, { labels: { [PROBE_LABEL]: "fork" } }, async (paths) => {
      await mkdir(paths.workspace);
      await mkdir(paths.home);
    });
    boxes.push(parent);
    await parent.writeFile(FILE, marker);
    const { checkpointId } = await parent.checkpoint({ mode: "files" });
    checkpoints.push(checkpointId);
    const child = await parent.fork(checkpointId, { labels: { [PROBE_LABEL]: "fork" } });
    boxes.push(child);
    const copy = Buffer.from(await child.readFile(FILE)).toString();
    await child.writeFile(FILE, "changed");
    const original = Buffer.from(await parent.readFile(FILE)).toString();
    if (copy !== marker || original !== marker) {
      return { available: false, reason: "A fork was made, but it did not have its parent's files, or changed them." };
    }
    return {
      available: true,
      modes: ["files"],
      reason: "Workspace and home are copied; processes start again, and the agent loads the conversation in the copy.",
    };
  } catch (error) {
    return { available: false, reason: `A fork was tried and failed: ${(error as Error).message}` };
  } finally {
    await Promise.allSettled([
      ...boxes.map((box) => box.delete()),
      ...checkpoints.map((id) => client.deleteCheckpoint(id)),
    ]);
  }
}
