import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { SandboxError, SkeinError } from "../../errors.ts";
import { createId } from "../../internal/ids.ts";
import { ownIdentity } from "../../internal/process-identity.ts";
import type { CheckpointMode, ForkStatus, Labels } from "../sandbox.ts";
import type { BoxSpec, CheckpointRecord } from "./box-record.ts";
import { CHECKPOINT_RECORD, isId, readCheckpointRecord, toCheckpointFolder, writeRecord } from "./box-record.ts";
import { packFolders, unpackFolders } from "./pack-folders.ts";
import { removeTree } from "./remove-tree.ts";

/** What a checkpoint needs of the place that it is taken in: each of it must be the same there, word for word. */
export type CheckpointPlace = Readonly<Record<string, string>>;

/** The first line of an archive. It says nothing of how a box is made: keys that an agent was given do not travel. */
interface ArchiveHead {
  readonly skein: "checkpoint";
  readonly format: 1;
  readonly id: string;
  readonly boxId: string;
  readonly mode: CheckpointMode;
  readonly labels: Labels;
  readonly createdAt: number;
  readonly place: CheckpointPlace;
}

const LONGEST_HEAD = 64 * 1024;
const NEWLINE = 0x0a;

/** A checkpoint's folders as one stream of bytes that `takeInCheckpoint` makes the same checkpoint of, elsewhere. */
export async function* packCheckpoint(
  directory: string,
  { id, boxId, mode, labels, createdAt }: CheckpointRecord,
  place: CheckpointPlace,
  names: readonly string[],
): AsyncGenerator<Uint8Array> {
  const head: ArchiveHead = { skein: "checkpoint", format: 1, id, boxId, mode, labels, createdAt, place };
  yield Buffer.from(`${JSON.stringify(head)}\n`);
  try {
    yield* packFolders(toCheckpointFolder(directory, id), names);
  } catch (error) {
    throw new SandboxError(
      "checkpoint_failed",
      `The checkpoint ${id} could not be packed: ${(error as Error).message}.`,
      {
        cause: error,
      },
    );
  }
}

/** A checkpoint that comes from elsewhere, and what only its provider knows. */
export interface CheckpointArrival {
  readonly directory: string;
  readonly place: CheckpointPlace;
  /** How the boxes are made that are made of it. */
  readonly spec: BoxSpec;
  readonly names: readonly string[];
  /** What was proven here. */
  forkStatus(): Promise<ForkStatus>;
  /** Makes the folders that it is unpacked into, where they are to be of a special kind. */
  prepare(folder: string): Promise<void>;
  readonly signal?: AbortSignal;
}

/**
 * Takes in what `packCheckpoint` gave, under the same id. One that is here already stays as it is. It is there whole or not at all.
 * @throws SandboxError `checkpoint_incompatible`, `checkpoint_damaged`, `checkpoint_failed`
 */
export async function takeInCheckpoint(
  bytes: AsyncIterable<Uint8Array>,
  { directory, place, spec, names, forkStatus, prepare, signal }: CheckpointArrival,
): Promise<{ readonly checkpointId: string; readonly mode: CheckpointMode }> {
  const { head, rest } = await readHead(bytes);
  const { id, boxId, mode, labels, createdAt } = head;
  const taken = { checkpointId: id, mode };
  try {
    requireCompatible(head, place, await forkStatus());
    const findHere = async (): Promise<CheckpointRecord | undefined> => {
      const found = await readCheckpointRecord(directory, id);
      return found?.state === "ready" ? found : undefined;
    };
    const here = await findHere();
    if (here !== undefined) return { ...taken, mode: here.mode };
    const staged = createId("arrival");
    const folder = toCheckpointFolder(directory, staged);
    const record = { format: 1, id, boxId, mode, labels, createdAt, owner: ownIdentity(), spec } as const;
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeRecord(join(folder, CHECKPOINT_RECORD), { ...record, state: "creating" });
      await prepare(folder);
      await unpackFolders(rest, folder, names, signal);
      await writeRecord(join(folder, CHECKPOINT_RECORD), { ...record, state: "ready" });
      await rename(folder, toCheckpointFolder(directory, id)).catch(async (error: unknown) => {
        // Another process of this machine took it in meanwhile.
        if ((await findHere()) === undefined) throw error;
      });
    } finally {
      // Nothing, where it was renamed.
      await removeTree(folder, staged);
    }
    return taken;
  } catch (error) {
    if (SkeinError.is(error) || signal?.aborted === true) throw error;
    throw new SandboxError(
      "checkpoint_failed",
      `The checkpoint ${id} could not be taken in: ${(error as Error).message}.`,
      {
        cause: error,
      },
    );
  } finally {
    await rest.return(undefined);
  }
}

function requireCompatible({ id, mode, place: was }: ArchiveHead, place: CheckpointPlace, status: ForkStatus): void {
  const differences = [...new Set([...Object.keys(was), ...Object.keys(place)])]
    .filter((name) => was[name] !== place[name])
    .map((name) => `${name} was ${was[name] ?? "unknown"} there and is ${place[name] ?? "unknown"} here`);
  if (!status.available)
    differences.push(`this sandbox has not proven that it can fork (${status.reason ?? "unknown"})`);
  else if (status.modes?.includes(mode) !== true)
    differences.push(`this sandbox has not proven that it can fork by ${mode}`);
  if (differences.length > 0)
    throw new SandboxError(
      "checkpoint_incompatible",
      `The checkpoint ${id} cannot be gone on from here: ${differences.join("; ")}.`,
    );
}

async function readHead(
  bytes: AsyncIterable<Uint8Array>,
): Promise<{ readonly head: ArchiveHead; readonly rest: AsyncGenerator<Uint8Array> }> {
  const source = bytes[Symbol.asyncIterator]();
  let start = Buffer.alloc(0);
  let end = -1;
  while (end === -1 && start.length < LONGEST_HEAD) {
    const next = await source.next();
    if (next.done === true) break;
    start = Buffer.concat([start, next.value]);
    end = start.indexOf(NEWLINE);
  }
  const head = parseHead(start.toString("utf8", 0, Math.max(end, 0)));
  if (head === undefined) {
    await source.return?.();
    throw new SandboxError(
      "checkpoint_damaged",
      "What was given is no archive of a checkpoint that this version can read; it must begin with the line that says what it is.",
    );
  }
  async function* rest(): AsyncGenerator<Uint8Array> {
    try {
      yield start.subarray(end + 1);
      for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
    } finally {
      await source.return?.();
    }
  }
  return { head, rest: rest() };
}

function parseHead(line: string): ArchiveHead | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { skein, format, id, boxId, mode, labels, createdAt, place } = (value ?? {}) as Record<string, unknown>;
  const isWhole =
    skein === "checkpoint" &&
    format === 1 &&
    typeof id === "string" &&
    isId(id) &&
    typeof boxId === "string" &&
    (mode === "memory" || mode === "files") &&
    isTexts(labels) &&
    typeof createdAt === "number" &&
    isTexts(place);
  return isWhole ? { skein, format, id, boxId, mode, labels, createdAt, place } : undefined;
}

function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((item) => typeof item === "string")
  );
}
