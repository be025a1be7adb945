import { SandboxError, ValidationError } from "../errors.ts";
import { toErrorDetail } from "../event/error-detail.ts";
import { raceAbort, throwIfAborted } from "../internal/abort.ts";
import { createId } from "../internal/ids.ts";
import type { Limiter } from "../internal/limiter.ts";
import { createLimiter } from "../internal/limiter.ts";
import { withTimeout } from "../internal/with-timeout.ts";
import type { SandboxCapabilities } from "../sandbox/capabilities.ts";
import type { Box, CheckpointMode, CreateBoxOptions, SandboxClient } from "../sandbox/sandbox.ts";
import type { BoxRecord, Branch, CheckpointOutcome, Place } from "./branch.ts";
import type {
  CheckpointPlaceOptions,
  ForkOptions,
  LineageEventBody,
  SandboxLineage,
  SandboxLineageOptions,
  StartOptions,
} from "./lineage-types.ts";
import { LostBox } from "./lost-box.ts";
import type { FailedTry, RetryTiming } from "./retry-creation.ts";
import { retryCreation } from "./retry-creation.ts";
import { storeCheckpoint } from "./stored-checkpoint.ts";
import { takeCheckpoint } from "./take-checkpoint.ts";

export type {
  ForkOptions,
  LineageEventBody,
  SandboxLineage,
  SandboxLineageOptions,
  StartOptions,
} from "./lineage-types.ts";

/** How long the end of a loop waits for one box to go, or to arrive. */
const DELETE_TIMEOUT_MS = 30_000;

/**
 * A lineage over one sandbox client.
 *
 * @param capabilities what `probeSandboxCapabilities` answered; `{ canFork: false }` never forks
 * @experimental
 */
export function createSandboxLineage(
  client: SandboxClient,
  capabilities: SandboxCapabilities,
  options: SandboxLineageOptions = {},
): SandboxLineage {
  return new OwningLineage(client, capabilities, options);
}

interface Owned {
  turn: number;
  deletion?: Promise<void>;
  /** By turn; asked for once, whatever came of it. */
  readonly checkpoints: Map<number, Promise<CheckpointOutcome>>;
  /** The turns that a checkpoint really leads back to. */
  readonly reachable: Set<number>;
}

class OwningLineage implements SandboxLineage {
  readonly #client: SandboxClient;
  readonly #capabilities: SandboxCapabilities;
  readonly #record: (body: LineageEventBody) => void;
  readonly #store: SandboxLineageOptions["store"];
  readonly #signal: AbortSignal | undefined;
  readonly #timing: RetryTiming;
  readonly #limit: Limiter;
  readonly #owned = new Map<Branch, Owned>();
  readonly #arriving = new Set<Promise<void>>();
  readonly #checkpointIds = new Set<string>();

  constructor(
    client: SandboxClient,
    capabilities: SandboxCapabilities,
    { maxConcurrency = 4, record, store, signal, ...timing }: SandboxLineageOptions,
  ) {
    this.#client = client;
    this.#capabilities = capabilities;
    this.#record = record ?? (() => {});
    this.#store = store;
    this.#signal = signal;
    this.#timing = timing;
    this.#limit = createLimiter(maxConcurrency);
  }

  async start(options: CreateBoxOptions, start: StartOptions = {}): Promise<Place> {
    const { conversation = true, index, reason } = start;
    const box = await this.#create(options, start);
    const conversationId = conversation ? createId("conv") : undefined;
    const place = this.#own({ box, mode: "fresh", ...(conversationId === undefined ? {} : { conversationId }) }, index);
    this.#record({
      type: "box.created",
      boxId: box.id,
      ...indexOf(place),
      ...conversationOf(place.branch),
      ...(reason === undefined ? {} : { reason }),
    });
    return place;
  }

  async continue(
    place: Place,
    { index, from }: { index?: number; from?: number } = {},
  ): Promise<Place & { proven: boolean }> {
    const { branch } = place;
    const owned = this.#owned.get(branch);
    if (owned === undefined || !this.isHead(place)) throw goneError(branch);
    const proven = await this.#prove(branch);
    owned.turn++;
    this.#record({
      type: "box.continued",
      boxId: branch.box.id,
      ...(index === undefined ? {} : { index }),
      ...(from === undefined ? {} : { from }),
      ...(proven ? {} : { reason: "unproven: the box cannot be asked for its conversation" }),
    });
    return { branch, turn: owned.turn, proven, ...(index === undefined ? {} : { index }) };
  }

  async #prove({ box, conversationId }: Branch): Promise<boolean> {
    if (conversationId === undefined || typeof box.session !== "function") return false;
    const status = await box.session(conversationId).status();
    if (status === null || status === undefined) {
      throw new ValidationError(
        "conversation_gone",
        `The agent in box ${box.id} no longer knows the conversation ${conversationId}; start a fresh box, or fork from a checkpoint.`,
      );
    }
    return true;
  }

  async fork(place: Place, options: ForkOptions): Promise<Place> {
    const { fresh, onlyMemory = false, signal, index } = options;
    throwIfAborted(signal);
    const { box, conversationId } = place.branch;
    const checkpoint = await this.checkpoint(place, { onlyMemory });
    throwIfAborted(signal);
    let child: Place;
    if (checkpoint.checkpointId === undefined) {
      const arrived = await this.#create(fresh, options);
      child = this.#own({ box: arrived, mode: "fresh", conversationId: createId("conv") }, index);
    } else {
      const { checkpointId, mode } = checkpoint;
      const arrived = await this.#arrival(() => this.#forkFrom(place.branch, checkpointId, options), signal);
      child = this.#own({ box: arrived, mode, ...(conversationId === undefined ? {} : { conversationId }) }, index);
    }
    const { branch } = child;
    const { reason } = checkpoint;
    this.#record({
      type: "box.forked",
      boxId: branch.box.id,
      from: box.id,
      mode: branch.mode,
      ...indexOf(child),
      ...conversationOf(branch),
      ...(reason === undefined ? {} : { reason }),
    });
    return child;
  }

  async #forkFrom(branch: Branch, checkpointId: string, { name, labels }: ForkOptions): Promise<Box> {
    const options = { ...(name === undefined ? {} : { name }), ...(labels === undefined ? {} : { labels }) };
    try {
      if (this.#owned.get(branch)?.deletion === undefined && branch.box.fork !== undefined)
        return await branch.box.fork(checkpointId, options);
      if (this.#client.restore !== undefined) return await this.#client.restore(checkpointId, options);
    } catch (error) {
      throw new SandboxError(
        "fork_failed",
        `Box ${branch.box.id} could not be forked: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
    throw goneError(branch);
  }

  async checkpoint(
    place: Place,
    { onlyMemory = false, atSeq, tags = [] }: CheckpointPlaceOptions = {},
  ): Promise<CheckpointOutcome> {
    const { branch, turn } = place;
    const owned = this.#owned.get(branch);
    const known = owned?.checkpoints.get(turn);
    if (known !== undefined) return known;
    if (owned === undefined || !this.isHead(place)) throw goneError(branch);
    const taking = this.#limit(async () => {
      const outcome = await takeCheckpoint(branch.box, this.#capabilities, { onlyMemory, tags });
      const { checkpointId } = outcome;
      if (checkpointId === undefined) return outcome;
      this.#checkpointIds.add(checkpointId);
      owned.reachable.add(turn);
      const kept =
        this.#store === undefined ? {} : await storeCheckpoint(this.#client, this.#store, checkpointId, this.#signal);
      this.#record({
        type: "checkpoint.created",
        checkpointId,
        boxId: branch.box.id,
        mode: outcome.mode,
        ...indexOf(place),
        ...(atSeq === undefined ? {} : { atSeq }),
        ...kept,
      });
      return outcome;
    });
    owned.checkpoints.set(turn, taking);
    return taking;
  }

  isHead({ branch, turn }: Place): boolean {
    const owned = this.#owned.get(branch);
    return owned !== undefined && owned.deletion === undefined && owned.turn === turn;
  }

  isReachable(place: Place): boolean {
    const owned = this.#owned.get(place.branch);
    if (owned === undefined) return false;
    const alive = owned.deletion === undefined;
    return this.isHead(place) || (owned.reachable.has(place.turn) && (alive || this.#client.restore !== undefined));
  }

  async release({ branch }: Place, reason?: string): Promise<void> {
    await this.#delete(branch, reason);
  }

  async prune(keep: Iterable<Place>): Promise<void> {
    const kept = new Set([...keep].map(({ branch }) => branch));
    await Promise.all(
      [...this.#owned.keys()].filter((branch) => !kept.has(branch)).map((branch) => this.#delete(branch, "pruned")),
    );
  }

  async teardown({ keepCheckpoints = false }: { keepCheckpoints?: boolean } = {}): Promise<void> {
    await Promise.all([...this.#owned.keys()].map((branch) => this.#delete(branch)));
    // A creation that does not come back is left to the provider's sweep.
    await withTimeout(Promise.allSettled(this.#arriving), DELETE_TIMEOUT_MS);
    if (!keepCheckpoints) await Promise.all([...this.#checkpointIds].map((id) => this.#deleteCheckpoint(id)));
  }

  adopt({ boxId, mode, conversationId }: BoxRecord, box: Box | null, index?: number): Place {
    const conversation = conversationId === undefined ? {} : { conversationId };
    const place = this.#own(
      { box: box ?? new LostBox(boxId), mode, ...conversation, ...(box === null ? { lost: true } : {}) },
      index,
    );
    // A lost box needs no deletion: it is as if it had been deleted.
    if (box === null) (this.#owned.get(place.branch) as Owned).deletion = Promise.resolve();
    return place;
  }

  adoptTurn({ branch }: Place, index?: number): Place {
    const owned = this.#owned.get(branch);
    if (owned === undefined) throw goneError(branch);
    owned.turn++;
    return { branch, turn: owned.turn, ...(index === undefined ? {} : { index }) };
  }

  adoptCheckpoint(
    { branch, turn }: Place,
    checkpoint: { readonly checkpointId: string; readonly mode: CheckpointMode },
    borrowed = false,
  ): void {
    const owned = this.#owned.get(branch);
    if (owned === undefined) return;
    owned.checkpoints.set(turn, Promise.resolve(checkpoint));
    owned.reachable.add(turn);
    if (!borrowed) this.#checkpointIds.add(checkpoint.checkpointId);
  }

  #own(branch: Branch, index: number | undefined): Place {
    this.#owned.set(branch, { turn: 1, checkpoints: new Map(), reachable: new Set() });
    return { branch, turn: 1, ...(index === undefined ? {} : { index }) };
  }

  /** A fresh box. It holds no slot while it waits to be tried again: what others delete meanwhile may be what it waits for. */
  #create(
    options: CreateBoxOptions,
    { signal, index, remainingMs }: Pick<StartOptions, "signal" | "index" | "remainingMs">,
  ): Promise<Box> {
    const make = (): Promise<Box> => this.#arrival(() => this.#client.create(options), signal);
    const onFailedTry = ({ attempt, error, waitMs }: FailedTry): void => {
      const { name, message, code } = toErrorDetail(error, "sandbox");
      const data = {
        attempt,
        waitMs,
        error: { name, message, ...(code === undefined ? {} : { code }) },
        ...(index === undefined ? {} : { index }),
      };
      this.#record({ type: "custom", name: "box.create-retried", data });
    };
    return retryCreation(make, { signal, onFailedTry, remainingMs }, this.#timing);
  }

  /** Waits for a box, but not longer than the signal allows: one that arrives after the abort is deleted. */
  async #arrival(make: () => Promise<Box>, signal: AbortSignal | undefined): Promise<Box> {
    const arriving = this.#limit(() => {
      throwIfAborted(signal);
      return make();
    });
    try {
      return await raceAbort(arriving, signal);
    } catch (error) {
      this.#track(arriving.then((box) => this.#turnAway(box)));
      throw error;
    }
  }

  async #turnAway(box: Box): Promise<void> {
    const reason = "arrived after the abort";
    this.#record({ type: "box.created", boxId: box.id, reason });
    await this.#deleteBox(box, reason);
  }

  /** Something that the teardown waits for. */
  #track(work: Promise<void>): void {
    const tracked: Promise<void> = work.catch(() => {}).finally(() => this.#arriving.delete(tracked));
    this.#arriving.add(tracked);
  }

  #delete(branch: Branch, reason?: string): Promise<void> {
    const owned = this.#owned.get(branch);
    if (owned === undefined) return Promise.resolve();
    owned.deletion ??= this.#limit(() => this.#deleteBox(branch.box, reason)).then(() => {
      // A branch without a checkpoint leads nowhere any more.
      if (owned.reachable.size === 0) this.#owned.delete(branch);
    });
    return owned.deletion;
  }

  async #deleteBox(box: Box, reason?: string): Promise<void> {
    const why = reason === undefined ? {} : { reason };
    try {
      const deleted = await withTimeout((async () => box.delete())(), DELETE_TIMEOUT_MS);
      if (!deleted.done)
        throw new SandboxError("box_delete_failed", `Box ${box.id} was not deleted within ${DELETE_TIMEOUT_MS} ms.`);
      this.#record({ type: "box.deleted", boxId: box.id, ...why });
    } catch (error) {
      this.#record({ type: "box.delete-failed", boxId: box.id, error: toErrorDetail(error, "sandbox"), ...why });
    }
  }

  async #deleteCheckpoint(checkpointId: string): Promise<void> {
    if (this.#client.deleteCheckpoint === undefined) return;
    try {
      const deleted = await withTimeout(this.#client.deleteCheckpoint(checkpointId), DELETE_TIMEOUT_MS);
      if (deleted.done) this.#record({ type: "checkpoint.deleted", checkpointId });
    } catch {
      // It stays on the provider's list, where its own clean-up finds it.
    }
  }
}

const indexOf = ({ index }: Place): { readonly index?: number } => (index === undefined ? {} : { index });

const conversationOf = ({ conversationId }: Branch): { readonly conversationId?: string } =>
  conversationId === undefined ? {} : { conversationId };

function goneError({ box }: Branch): ValidationError {
  return new ValidationError(
    "parent_gone",
    `Box ${box.id} is gone or was continued since, and no checkpoint leads back; name a later iteration, or keep this one in the plan.`,
  );
}
