import { createId } from "../../internal/ids.ts";
import type { ForkStatus } from "../sandbox.ts";
import type { KeptBox } from "./box-keeper.ts";
import type { BoxSpec } from "./box-record.ts";
import { PROBE_LABEL } from "./sweep-records.ts";

const FILE = "marker";
const LABELS = { [PROBE_LABEL]: "fork" };

/** A tiny box without an agent; only its files are of interest. */
const SPEC: BoxSpec = {
  profile: { name: "fork probe" },
  env: {},
  network: "none",
  limits: {},
  claimMs: 60_000,
  agentStart: "lazy",
};

/** What the proof needs of the client that it asks for. */
export interface FileForkClient {
  createProbe(spec: BoxSpec, options: { readonly labels: Readonly<Record<string, string>> }): Promise<KeptBox>;
  deleteCheckpoint(checkpointId: string): Promise<void>;
}

/**
 * Says what a fork of files is here, from one that was really made, read back, and changed without its parent noticing.
 *
 * @param reason what to know of it where it works
 */
export async function proveFileFork(client: FileForkClient, reason: string): Promise<ForkStatus> {
  const boxes: KeptBox[] = [];
  const checkpoints: string[] = [];
  try {
    const marker = createId("marker");
    const parent = await client.createProbe(SPEC, { labels: LABELS });
    boxes.push(parent);
    await parent.writeFile?.(FILE, marker);
    const { checkpointId = "" } = (await parent.checkpoint?.({ mode: "files" })) ?? {};
    checkpoints.push(checkpointId);
    const child = (await parent.fork?.(checkpointId, { labels: LABELS })) as KeptBox;
    boxes.push(child);
    const copy = await read(child);
    await child.writeFile?.(FILE, "changed");
    if (copy !== marker || (await read(parent)) !== marker) {
      return { available: false, reason: "A fork was made, but it did not have its parent's files, or changed them." };
    }
    return { available: true, modes: ["files"], reason };
  } catch (error) {
    return { available: false, reason: `A fork was tried and failed: ${(error as Error).message}` };
  } finally {
    await Promise.allSettled([
      ...boxes.map((box) => box.delete()),
      ...checkpoints.map((id) => client.deleteCheckpoint(id)),
    ]);
  }
}

async function read(box: KeptBox): Promise<string> {
  return Buffer.from((await box.readFile?.(FILE)) ?? "").toString();
}
