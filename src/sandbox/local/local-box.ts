import { lstatSync } from "node:fs";
import { join } from "node:path";
import { SandboxError } from "../../errors.ts";
import { BoxdClient, connectSocket, SOCKET_NAME } from "../boxd/index.ts";
import type { BoxDoor } from "../box-gateway.ts";
import type { Box, CheckpointMode, CheckpointOptions, ForkBoxOptions } from "../sandbox.ts";

/** Long enough for a machine that has more to do than it can. */
const SILENCE_MS = 30_000;

/** What a box needs of the client that made it. */
export interface LocalBoxOwner {
  checkpoint(
    box: LocalBox,
    options: CheckpointOptions,
  ): Promise<{ readonly checkpointId: string; readonly mode: CheckpointMode }>;
  fork(checkpointId: string, options: ForkBoxOptions): Promise<LocalBox>;
  remove(box: LocalBox): Promise<void>;
  /** Whether something has stopped the box's boxd. */
  standsStill(boxId: string): Promise<boolean>;
  /** Ends everything in the box, whose record and files stay. */
  end(boxId: string): Promise<void>;
}

export interface LocalBoxOptions {
  readonly id: string;
  /** The folder of its socket. */
  readonly run: string;
  readonly claimMs: number;
  readonly contained: boolean;
  /** Whether its limits hold only for as long as boxd measures. */
  readonly isMeasured: boolean;
  readonly gateway?: BoxDoor;
}

/**
 * A box of this machine.
 *
 * @stable
 */
export class LocalBox extends BoxdClient implements Box {
  readonly contained: boolean;
  readonly #owner: LocalBoxOwner;

  constructor(options: LocalBoxOptions, owner: LocalBoxOwner) {
    super({
      id: options.id,
      claimMs: options.claimMs,
      connect: () => connectBox(options),
      ...(options.isMeasured
        ? {
            watched: {
              patienceMs: SILENCE_MS,
              standsStill: () => owner.standsStill(options.id),
              end: () => owner.end(options.id),
            },
          }
        : {}),
      ...(options.gateway === undefined ? {} : { gateway: options.gateway }),
    });
    this.contained = options.contained;
    this.#owner = owner;
  }

  checkpoint(
    options: CheckpointOptions = {},
  ): Promise<{ readonly checkpointId: string; readonly mode: CheckpointMode }> {
    return this.#owner.checkpoint(this, options);
  }

  fork(checkpointId: string, options: ForkBoxOptions = {}): Promise<LocalBox> {
    return this.#owner.fork(checkpointId, options);
  }

  async delete(): Promise<void> {
    this.release();
    await this.#owner.remove(this);
  }
}

/** The folder of the socket can be written inside the box, so what lies there may have become a link to a socket of the host. */
function connectBox({ id, run }: LocalBoxOptions): ReturnType<typeof connectSocket> {
  if (!lstatSync(join(run, SOCKET_NAME)).isSocket())
    throw new SandboxError("box_protocol", `What lies at the socket of the box ${id} is no socket; delete the box.`);
  return connectSocket(run, SOCKET_NAME);
}
