import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { SandboxError } from "../../errors.ts";

const BLOCK = 512;
/** The description of a container in Podman's archive: small files of JSON. */
const DESCRIPTIONS: ReadonlySet<string> = new Set(["config.dump", "spec.dump"]);
const MAX_DESCRIPTION = 4 * 1024 * 1024;

/**
 * Makes a container's archive that of another box: in its description the one box's own part of its id is written over by the other's, wherever it
 * stands: in the name, the host name, labels, and the paths of what is mounted. Both are of one length, so every file keeps its place and
 * nothing of the memory is read.
 *
 * @throws SandboxError `checkpoint_failed` for an archive that is cut short or is none
 */
export async function rewriteArchive(path: string, from: string, to: string): Promise<void> {
  if (from.length !== to.length) throw new SandboxError("fork_failed", `The ids ${from} and ${to} differ in length.`);
  const file = await open(path, "r+");
  try {
    const { size } = await file.stat();
    const missing = new Set(DESCRIPTIONS);
    for (let position = 0; position + BLOCK <= size;) {
      const entry = await readHeader(file, position);
      if (entry === undefined) break;
      const start = position + BLOCK;
      position = start + Math.ceil(entry.size / BLOCK) * BLOCK;
      if (position > size) throw cut(path);
      if (!missing.delete(entry.name)) continue;
      if (entry.size > MAX_DESCRIPTION) throw cut(path);
      const bytes = Buffer.alloc(entry.size);
      await file.read(bytes, 0, entry.size, start);
      const changed = Buffer.from(bytes.toString("latin1").replaceAll(from, to), "latin1");
      await file.write(changed, 0, changed.length, start);
    }
    if (missing.size > 0) throw cut(path);
  } finally {
    await file.close();
  }
}

/** An archive ends with two blocks of zeros; where they are missing it was cut short. */
export async function isWholeArchive(path: string): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    for (let position = 0; position + BLOCK <= size;) {
      const entry = await readHeader(file, position);
      if (entry === undefined) return true;
      position += BLOCK + Math.ceil(entry.size / BLOCK) * BLOCK;
    }
    return false;
  } catch (error) {
    if (SandboxError.is(error)) return false;
    throw error;
  } finally {
    await file.close();
  }
}

/** Undefined for the block of zeros at the end. */
async function readHeader(file: FileHandle, position: number): Promise<{ name: string; size: number } | undefined> {
  const block = Buffer.alloc(BLOCK);
  await file.read(block, 0, BLOCK, position);
  if (block.every((byte) => byte === 0)) return undefined;
  const text = (start: number, end: number): string => block.toString("latin1", start, end).split("\0", 1)[0] as string;
  const sum = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  if (Number.parseInt(text(148, 156), 8) !== sum)
    throw new SandboxError("checkpoint_failed", "The archive of the checkpoint is damaged; make a new one.");
  return { name: text(0, 100).replace(/^\.\//, ""), size: readSize(block) };
}

function readSize(block: Buffer): number {
  // Sizes of 8 GiB and more are binary, with the highest bit set.
  if ((block[124] as number) & 0x80) return Number(block.readBigUInt64BE(128));
  return Number.parseInt(block.toString("latin1", 124, 136), 8);
}

function cut(path: string): SandboxError {
  return new SandboxError(
    "checkpoint_failed",
    `The archive ${path} is cut short or was not made by Podman; make a new checkpoint.`,
  );
}
