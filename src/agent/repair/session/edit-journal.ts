import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { MemoryFolder, PendingTry, RepairMemory, TryRecord } from "./repair-memory.ts";

/**
 * The order that makes a kill harmless: what was there is saved, then the file is edited, then the end of the try
 * is saved in the same write that forgets what was there. Whatever a kill leaves in between is put back by `recover`.
 */
export class EditJournal {
  readonly #root: string;
  readonly #folder: MemoryFolder;
  readonly #memory: RepairMemory;

  constructor(root: string, folder: MemoryFolder, memory: RepairMemory) {
    this.#root = root;
    this.#folder = folder;
    this.#memory = memory;
  }

  /** Puts the edited text in place. */
  async begin(pending: PendingTry, edited: string): Promise<void> {
    this.#memory.pending = pending;
    await this.#folder.save(this.#memory);
    await writeFile(join(this.#root, pending.file), edited);
  }

  /** Ends the try; unless it is kept, what was there before is put back first. */
  async end(result: Pick<TryRecord, "outcome" | "effect" | "passed" | "failed">): Promise<void> {
    const { pending } = this.#memory;
    if (!pending) return;
    const { original, ...record } = pending;
    if (result.outcome !== "kept") await writeFile(join(this.#root, pending.file), original);
    this.#memory.tries.push({ ...record, ...result });
    delete this.#memory.pending;
    await this.#folder.save(this.#memory);
  }

  /** Takes a try back as if it had not begun: it was cancelled, and its edit may be tried again. */
  async undo(): Promise<void> {
    const { pending } = this.#memory;
    if (!pending) return;
    await writeFile(join(this.#root, pending.file), pending.original);
    delete this.#memory.pending;
    await this.#folder.save(this.#memory);
  }

  /**
   * Reverts the half-try of a process that was killed, and says which it was. The interrupted edit gets one more chance
   * (the kill may have had nothing to do with it); one that was interrupted before is not tried a third time.
   */
  async recover(): Promise<PendingTry | undefined> {
    const { pending } = this.#memory;
    if (!pending) return undefined;
    const current = await readFile(join(this.#root, pending.file), "utf8").catch(() => undefined);
    if (current === undefined) {
      delete this.#memory.pending;
      await this.#folder.save(this.#memory);
      return pending;
    }
    await this.end({ outcome: "interrupted" });
    return pending;
  }
}

const digests = new WeakMap<ReadonlyMap<string, string>, ReadonlyMap<string, string>>();

/** Names the program that results when one file of `sources` has another text. */
export function toProgramState(sources: ReadonlyMap<string, string>, file: string, text: string): string {
  // All the other files stay as they are from try to try: each is read once.
  const known = digests.get(sources) ?? new Map([...sources].map(([path, source]) => [path, digest(source)]));
  digests.set(sources, known);
  const parts = [...known.keys()]
    .toSorted()
    .map((path) => `${path}\0${path === file ? digest(text) : known.get(path)}`);
  return digest(parts.join("\0")).slice(0, 22);
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
