import type { EventBody, LoopEventBody } from "../event/event.ts";
import type { Box, CheckpointMode, CreateBoxOptions } from "../sandbox/sandbox.ts";
import type { SessionStore } from "../store/session-store.ts";
import type { BoxRecord, CheckpointOutcome, Place } from "./branch.ts";
import type { RetryTiming } from "./retry-creation.ts";

/** What happens to boxes; a creation that failed and is tried again is the custom event `box.create-retried`. @experimental */
export type LineageEventBody = LoopEventBody | Extract<EventBody, { readonly type: "custom" }>;

export interface SandboxLineageOptions extends RetryTiming {
  /** Creations, forks and deletions in flight. Default 4. */
  readonly maxConcurrency?: number;
  /** Hears what happens to the boxes, in order. */
  readonly record?: (body: LineageEventBody) => void;
  /** Where each checkpoint is put as well, so that other machines can take it from there. */
  readonly store?: Pick<SessionStore, "putBlob">;
  /** Ends the putting of a checkpoint into the store. */
  readonly signal?: AbortSignal;
}

export interface StartOptions {
  /** Default true. False makes an independent sample: the box gets no conversation id. */
  readonly conversation?: boolean;
  readonly signal?: AbortSignal;
  /** The iteration that the box is for. */
  readonly index?: number;
  /** Milliseconds that may still be waited where the provider's quota is used up. Default: until the signal fires. */
  readonly remainingMs?: () => number;
  /** Recorded with the box: why it is a fresh one, where another was to be expected. */
  readonly reason?: string;
}

export interface ForkOptions {
  /** What a fresh box would be made of, where there is no fork. A forked box inherits image and profile from its parent instead. */
  readonly fresh: CreateBoxOptions;
  /** Accept nothing but a fork of the memory, or a fresh box. Default false. */
  readonly onlyMemory?: boolean;
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly index?: number;
  /** As for `start`, where the branch has to start fresh. */
  readonly remainingMs?: () => number;
}

export interface CheckpointPlaceOptions {
  /** Default false. */
  readonly onlyMemory?: boolean;
  readonly atSeq?: number;
  readonly tags?: readonly string[];
}

/**
 * Who descends from whom among boxes, and who deletes them: every box that it started or forked is its own until `teardown`.
 *
 * Several live boxes are held at once, as many as were not pruned: plan for that ceiling. A forked branch inherits image and profile
 * from its parent; what a fresh box is made of applies only where there is no fork.
 *
 * @experimental
 */
export interface SandboxLineage {
  /**
   * A fresh box. A creation that fails with a `retryable` error is tried twice more, after a wait that grows; one that meets a quota (`box_quota`,
   * or `status` 429) as often as it takes; any other failure is thrown at once.
   * A box that arrives after the abort is deleted.
   *
   * @throws what `create` threw
   */
  start(options: CreateBoxOptions, start?: StartOptions): Promise<Place>;
  /**
   * The same box and conversation for another turn, once the box has confirmed that it still knows the conversation.
   * `proven` is false where the box has no way to be asked.
   *
   * @throws ValidationError `conversation_gone`, `parent_gone`; whatever the status threw
   */
  continue(
    place: Place,
    options?: { readonly index?: number; readonly from?: number },
  ): Promise<Place & { readonly proven: boolean }>;
  /**
   * One child of a place: a fork of its box where the client has proven that it can, else a fresh box; `box.forked` says which and why.
   * The parent is checkpointed once, however many children it gets.
   *
   * @throws SandboxError `fork_failed` when the fork itself threw: one failed branch
   */
  fork(place: Place, options: ForkOptions): Promise<Place>;
  /**
   * Takes the place's checkpoint, if there is none yet. `atSeq` is the place's position in its iteration's log; `tags` go to the provider,
   * which shows them when it lists its checkpoints.
   */
  checkpoint(place: Place, options?: CheckpointPlaceOptions): Promise<CheckpointOutcome>;
  /** Takes over a box that an earlier process made; without the box the branch is lost, and only a checkpoint leads back. */
  adopt(record: BoxRecord, box: Box | null, index?: number): Place;
  /** A later turn of an adopted box. */
  adoptTurn(place: Place, index?: number): Place;
  /** A checkpoint that an earlier process took. One that is borrowed is another loop's, which deletes it. */
  adoptCheckpoint(
    place: Place,
    checkpoint: { readonly checkpointId: string; readonly mode: CheckpointMode },
    borrowed?: boolean,
  ): void;
  /** True while a later round can descend from the place. */
  isReachable(place: Place): boolean;
  /** True while the place is the last one of its living box. */
  isHead(place: Place): boolean;
  /** Deletes one box; a failure is recorded, never thrown. */
  release(place: Place, reason?: string): Promise<void>;
  /** Deletes every box but those of the places to keep. */
  prune(keep: Iterable<Place>): Promise<void>;
  /** Deletes every box, those that are still on their way included, and the checkpoints unless they are to be kept. Bounded in time. */
  teardown(options?: { readonly keepCheckpoints?: boolean }): Promise<void>;
}
