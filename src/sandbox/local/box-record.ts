import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AgentProfile } from "../../agent/agent.ts";
import type { ProcessIdentity } from "../../internal/process-identity.ts";
import type { BoxLimits, CheckpointMode, Labels } from "../sandbox.ts";

/** How a box is made; a fork inherits it from the box that it comes from. */
export interface BoxSpec {
  readonly profile: AgentProfile;
  /** The agent's own environment, as the caller gave it. */
  readonly env: Readonly<Record<string, string>>;
  readonly network: "none" | "host";
  readonly limits: BoxLimits;
  readonly claimMs: number;
  readonly agentStart: "eager" | "lazy";
}

/**
 * What is known of a box. It is on the disk before anything of the box exists, so that a box whose owner is killed at any moment can be found
 * again and swept. It may hold keys that were given to the agent: the folder and the file are for their owner only.
 */
export interface BoxRecord {
  readonly format: 1;
  readonly id: string;
  readonly name?: string;
  readonly labels: Labels;
  readonly state: "creating" | "running";
  readonly contained: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly owner: ProcessIdentity;
  /** The one whose death ends the box: the first process of its pid namespace, or boxd itself where there is none. */
  readonly process?: ProcessIdentity;
  readonly spec: BoxSpec;
  /** The checkpoint that it was made from. */
  readonly from?: string;
}

export interface CheckpointRecord {
  readonly format: 1;
  readonly id: string;
  readonly boxId: string;
  readonly state: "creating" | "ready";
  readonly mode: CheckpointMode;
  readonly labels: Labels;
  readonly createdAt: number;
  readonly owner: ProcessIdentity;
  readonly spec: BoxSpec;
}

/** Ids come from `createId`; anything else could lead out of the folder. */
const ID = /^[a-z]+_[0-9a-z]+$/;

export interface BoxPaths {
  readonly root: string;
  readonly record: string;
  readonly workspace: string;
  readonly home: string;
  readonly run: string;
  /** Where bubblewrap says which process is the first of the namespace, even if nobody is left to hear it. */
  readonly status: string;
}

export function boxesFolder(directory: string): string {
  return join(directory, "boxes");
}

export function checkpointsFolder(directory: string): string {
  return join(directory, "checkpoints");
}

export function toBoxPaths(directory: string, id: string): BoxPaths {
  const root = join(boxesFolder(directory), id);
  return {
    root,
    record: join(root, "box.json"),
    workspace: join(root, "workspace"),
    home: join(root, "home"),
    run: join(root, "run"),
    status: join(root, "namespace.json"),
  };
}

export function toCheckpointPaths(
  directory: string,
  id: string,
): { root: string; record: string; workspace: string; home: string } {
  const root = join(checkpointsFolder(directory), id);
  return { root, record: join(root, "checkpoint.json"), workspace: join(root, "workspace"), home: join(root, "home") };
}

/** Written beside and renamed, so that a reader sees the old record or the new one. */
export async function writeRecord(path: string, record: BoxRecord | CheckpointRecord): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

export async function readBoxRecord(directory: string, id: string): Promise<BoxRecord | undefined> {
  return ID.test(id) ? read<BoxRecord>(toBoxPaths(directory, id).record) : undefined;
}

export async function readCheckpointRecord(directory: string, id: string): Promise<CheckpointRecord | undefined> {
  return ID.test(id) ? read<CheckpointRecord>(toCheckpointPaths(directory, id).record) : undefined;
}

/** The ids that have a folder, whether or not there is a record in it. */
export async function listIds(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => ID.test(name));
}

/** True where every label that is asked for is there with its value. */
export function hasLabels(labels: Labels, wanted: Labels | undefined): boolean {
  return Object.entries(wanted ?? {}).every(([name, value]) => labels[name] === value);
}

async function read<Kind extends { readonly format: 1 }>(path: string): Promise<Kind | undefined> {
  try {
    const record = JSON.parse(await readFile(path, "utf8")) as Kind;
    return record.format === 1 ? record : undefined;
  } catch {
    return undefined;
  }
}
