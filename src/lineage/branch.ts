import type { ForkMode } from "../event/event.ts";
import type { Box, CheckpointMode } from "../sandbox/sandbox.ts";

/** A box that the lineage owns, and the conversation in it. */
export interface Branch {
  readonly box: Box;
  /** The same in every fork; absent where the boxes are independent samples. */
  readonly conversationId?: string;
  /** How the box came to be. */
  readonly mode: ForkMode;
  /** The box did not survive its process: only a checkpoint leads back to it. */
  readonly lost?: true;
}

/**
 * A moment in a branch: the end of the turn that was run there. Later turns of the same box make it the past of that branch:
 * it is then no head any more and only a checkpoint leads back to it.
 */
export interface Place {
  readonly branch: Branch;
  readonly turn: number;
  /** The iteration that ended there. */
  readonly index?: number;
}

/** A checkpoint of a place, and why a better one could not be had; or why there is none. */
export type CheckpointOutcome =
  | { readonly checkpointId: string; readonly mode: CheckpointMode; readonly reason?: string }
  | { readonly checkpointId?: undefined; readonly reason: string };

/** What a log says of a box that a resumed loop takes over. */
export interface BoxRecord {
  readonly boxId: string;
  readonly mode: ForkMode;
  readonly conversationId?: string;
}
