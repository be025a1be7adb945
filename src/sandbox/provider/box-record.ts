import { readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AgentProfile } from "../../agent/agent.ts";
import type { ProcessIdentity } from "../../internal/process-identity.ts";
import type { BoxGateway, BoxGatewayAddress } from "../box-gateway.ts";
import type { BoxLimits, CheckpointMode, Labels } from "../sandbox.ts";

/** How a box is made; a fork inherits it from the box that it comes from. */
export interface BoxSpec {
  readonly profile: AgentProfile;
  /** The file system that it starts from, where its provider has several. */
  readonly image?: string;
  /** The agent's own environment, as the caller gave it. */
  readonly env: Readonly<Record<string, string>>;
  readonly network: "none" | "host";
  readonly limits: BoxLimits;
  readonly claimMs: number;
  readonly agentStart: "eager" | "lazy";
  /** The host's folder that the agent's package is installed in. */
  readonly agentFolder?: string;
  /** Where the box reaches its gateway. */
  readonly gateway?: BoxGatewayAddress;
}

/** What a box that is made is called, beside what it is. */
export interface NewBox {
  readonly name?: string;
  readonly labels?: Labels;
  readonly signal?: AbortSignal;
  /** Its own way to models. */
  readonly gateway?: BoxGateway;
  /** The box that it is forked from. */
  readonly parentId?: string;
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
  /** What of this package it was started with, where that is a folder of its own. */
  readonly runtime?: string;
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
  readonly runtime?: string;
}

/** Ids come from `createId`; anything else could lead out of the folder. */
const ID = /^[a-z]+_[0-9a-z]+$/;

/** True for what `createId` may have made. */
export function isId(id: string): boolean {
  return ID.test(id);
}

export function boxesFolder(directory: string): string {
  return join(directory, "boxes");
}

export function checkpointsFolder(directory: string): string {
  return join(directory, "checkpoints");
}

/** The folder of a box, with its record and all that is kept of it. */
export function toBoxFolder(directory: string, id: string): string {
  return join(boxesFolder(directory), id);
}

export function toCheckpointFolder(directory: string, id: string): string {
  return join(checkpointsFolder(directory), id);
}

/** The record in a box's folder. */
export const BOX_RECORD = "box.json";
/** The record in a checkpoint's folder. */
export const CHECKPOINT_RECORD = "checkpoint.json";

/** Written beside and renamed, so that a reader sees the old record or the new one. */
export async function writeRecord(path: string, record: BoxRecord | CheckpointRecord): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

export async function readBoxRecord(directory: string, id: string): Promise<BoxRecord | undefined> {
  return ID.test(id) ? read<BoxRecord>(join(toBoxFolder(directory, id), BOX_RECORD)) : undefined;
}

export async function readCheckpointRecord(directory: string, id: string): Promise<CheckpointRecord | undefined> {
  return ID.test(id) ? read<CheckpointRecord>(join(toCheckpointFolder(directory, id), CHECKPOINT_RECORD)) : undefined;
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
