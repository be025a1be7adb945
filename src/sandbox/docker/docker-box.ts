import type { BoxGateway } from "../box-gateway.ts";
import { BoxdClient } from "../boxd/index.ts";
import type { Box, CheckpointOptions, ForkBoxOptions } from "../sandbox.ts";
import type { RelayChannel } from "./relay-channel.ts";

/** What a box needs of the client that made it. */
export interface DockerBoxOwner {
  checkpoint(
    box: DockerBox,
    options: CheckpointOptions,
  ): Promise<{ readonly checkpointId: string; readonly mode: "files" }>;
  fork(checkpointId: string, options: ForkBoxOptions): Promise<DockerBox>;
  remove(box: DockerBox): Promise<void>;
}

export interface DockerBoxOptions {
  readonly id: string;
  readonly claimMs: number;
  readonly channel: RelayChannel;
  readonly gateway?: { readonly door: BoxGateway; readonly token?: string };
}

/**
 * A box that is a container of a Docker engine, here or elsewhere.
 *
 * @stable
 */
export class DockerBox extends BoxdClient implements Box {
  readonly #channel: RelayChannel;
  readonly #owner: DockerBoxOwner;

  constructor({ channel, ...options }: DockerBoxOptions, owner: DockerBoxOwner) {
    super({ ...options, connect: () => channel.connect() });
    this.#channel = channel;
    this.#owner = owner;
  }

  override hold(): void {
    this.#channel.keep();
    super.hold();
  }

  override release(): void {
    super.release();
    this.#channel.letGo();
  }

  checkpoint(options: CheckpointOptions = {}): Promise<{ readonly checkpointId: string; readonly mode: "files" }> {
    return this.#owner.checkpoint(this, options);
  }

  fork(checkpointId: string, options: ForkBoxOptions = {}): Promise<DockerBox> {
    return this.#owner.fork(checkpointId, options);
  }

  async delete(): Promise<void> {
    this.release();
    await this.#owner.remove(this);
  }
}
