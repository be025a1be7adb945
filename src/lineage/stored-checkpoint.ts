import { SandboxError } from "../errors.ts";
import type { BlobRef, StoredEventOf } from "../event/event.ts";
import type { CheckpointMode, CreateBoxOptions, SandboxClient } from "../sandbox/sandbox.ts";
import { createBlobRef } from "../store/blob-digest.ts";
import { findBlob } from "../store/find-blob.ts";
import type { SessionStore } from "../store/session-store.ts";

/** A checkpoint is put into the store in pieces of so many bytes, and is never in memory as a whole. */
const PIECE_BYTES = 4 * 1024 * 1024;
const MOST_BYTES = 1024 * 1024 * 1024;
/** A store forgets what nothing refers to after ten minutes. */
const MOST_MS = 5 * 60_000;
const TOO_LARGE = `it has more than ${MOST_BYTES} bytes`;
const TOO_SLOW = `it takes longer than ${MOST_MS / 60_000} minutes`;

/** Where in a store a checkpoint is. */
export type StoredCheckpoint = NonNullable<StoredEventOf<"checkpoint.created">["stored"]>;

/** Puts a checkpoint into the store, or says why that could not be. The event that refers to the pieces keeps them there. @throws StoreError */
export async function storeCheckpoint(
  client: SandboxClient,
  store: Pick<SessionStore, "putBlob">,
  checkpointId: string,
  signal?: AbortSignal,
): Promise<{ readonly stored: StoredCheckpoint } | { readonly reason: string }> {
  if (client.exportCheckpoint === undefined)
    return { reason: "not put into the store: this sandbox cannot give its checkpoints away" };
  const until = performance.now() + MOST_MS;
  const pieces: BlobRef[] = [];
  let size = 0;
  const exported = inPieces(client.exportCheckpoint(checkpointId));
  for (;;) {
    const next = await exported.next().catch((error: unknown) => ({ error }));
    if ("error" in next)
      return {
        reason: `not put into the store: ${next.error instanceof Error ? next.error.message : String(next.error)}`,
      };
    if (next.done === true) return { stored: { size, pieces } };
    size += next.value.length;
    const obstacle = signal?.aborted === true ? "aborted" : performance.now() > until ? TOO_SLOW : undefined;
    if (obstacle !== undefined || size > MOST_BYTES) {
      await exported.return(undefined).catch(() => {});
      return { reason: `not put into the store: ${obstacle ?? TOO_LARGE}` };
    }
    pieces.push(await store.putBlob(next.value));
  }
}

/**
 * Makes a checkpoint that another machine put into the store one of this machine's.
 * @returns what it holds here: of one with memory the files may be all that travels
 * @throws SandboxError `checkpoint_damaged`, `checkpoint_incompatible`, `checkpoint_failed`; StoreError
 */
export async function fetchCheckpoint(
  client: SandboxClient,
  store: SessionStore,
  { checkpointId, stored }: { readonly checkpointId: string; readonly stored: StoredCheckpoint },
  options: CreateBoxOptions,
): Promise<CheckpointMode> {
  if (client.importCheckpoint === undefined)
    throw new SandboxError(
      "checkpoint_incompatible",
      "This sandbox cannot take in the checkpoints of another machine.",
    );
  const taken = await client.importCheckpoint(readPieces(store, stored.pieces), options);
  if (taken.checkpointId !== checkpointId)
    throw new SandboxError(
      "checkpoint_damaged",
      `What the store has as the checkpoint ${checkpointId} is the checkpoint ${taken.checkpointId}.`,
    );
  return taken.mode;
}

async function* readPieces(store: SessionStore, pieces: readonly BlobRef[]): AsyncGenerator<Uint8Array> {
  for (const { digest } of pieces) {
    const bytes = await findBlob(store, digest);
    if (bytes === undefined || createBlobRef(bytes).digest !== digest)
      throw new SandboxError(
        "checkpoint_damaged",
        `The store ${bytes === undefined ? "has no" : "has other bytes as the"} piece ${digest} of the checkpoint.`,
      );
    yield bytes;
  }
}

async function* inPieces(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    for (let rest = chunk; rest.length > 0;) {
      const part = rest.subarray(0, PIECE_BYTES - bytes);
      waiting.push(part);
      bytes += part.length;
      rest = rest.subarray(part.length);
      if (bytes < PIECE_BYTES) break;
      yield Buffer.concat(waiting);
      waiting = [];
      bytes = 0;
    }
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}
