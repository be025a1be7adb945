import type { Socket } from "node:net";
import type { BoxDoor } from "../box-gateway.ts";
import { BoxdClient } from "../boxd/index.ts";
import type { Box, CheckpointMode, CheckpointOptions, ForkBoxOptions } from "../sandbox.ts";

/** What a box needs of the client that made it. */
export interface PodmanBoxOwner {
  checkpoint(
    box: PodmanBox,
    options: CheckpointOptions,
  ): Promise<{ readonly checkpointId: string; readonly mode: CheckpointMode }>;
  fork(checkpointId: string, options: ForkBoxOptions): Promise<PodmanBox>;
  remove(box: PodmanBox): Promise<void>;
}

export interface PodmanBoxOptions {
  readonly id: string;
  readonly claimMs: number;
  readonly connect: () => Socket;
  readonly gateway?: BoxDoor;
}

/**
 * A box that is a container.
 *
 * @stable
 */
export class PodmanBox extends BoxdClient implements Box {
  readonly #owner: PodmanBoxOwner;

  constructor(options: PodmanBoxOptions, owner: PodmanBoxOwner) {
    super(options);
    this.#owner = owner;
  }

  checkpoint(
    options: CheckpointOptions = {},
  ): Promise<{ readonly checkpointId: string; readonly mode: CheckpointMode }> {
    return this.#owner.checkpoint(this, options);
  }

  fork(checkpointId: string, options: ForkBoxOptions = {}): Promise<PodmanBox> {
    return this.#owner.fork(checkpointId, options);
  }

  async delete(): Promise<void> {
    this.release();
    await this.#owner.remove(this);
  }
}
