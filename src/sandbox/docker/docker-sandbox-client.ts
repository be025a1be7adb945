import { existsSync } from "node:fs";
import { SandboxError } from "../../errors.ts";
import { throwIfAborted } from "../../internal/abort.ts";
import { Remembered } from "../../internal/remembered.ts";
import type { BoxGateway } from "../box-gateway.ts";
import type { BoxRecord, BoxSpec, NewBox } from "../provider/index.ts";
import {
  BoxKeeper,
  defaultImage,
  listReadyCheckpoints,
  placeFiles,
  proveFileFork,
  readCheckpointRecord,
  readReadyCheckpoint,
  removeTree,
  renewRuntime,
  sweepRecords,
  toBoxFolder,
  toBoxSpec,
  toContainerName,
  toForkFailure,
} from "../provider/index.ts";
import type {
  BoxInfo,
  CheckpointInfo,
  CheckpointOptions,
  CreateBoxOptions,
  CriuStatus,
  ForkBoxOptions,
  ForkStatus,
  Labels,
  SandboxClient,
} from "../sandbox.ts";
import { createCheckpoint, removeCheckpoint } from "./checkpoints.ts";
import {
  buildEngineImage,
  prepareRuntimeImage,
  removeUnknownContainers,
  removeUnusedImages,
  toCheckpointImage,
} from "./container-images.ts";
import type { DockerBoxOwner } from "./docker-box.ts";
import { DockerBox } from "./docker-box.ts";
import type { DockerEngine } from "./docker-engine.ts";
import { RelayChannel } from "./relay-channel.ts";
import { startContainer } from "./start-container.ts";
import { startRelay } from "./start-relay.ts";

/** How often a container that is being removed is looked at, and for how long. */
const GONE_LOOK_MS = 50;
const GONE_MS = 20_000;

/**
 * What boxes of a Docker engine are.
 *
 * @stable
 */
export interface DockerSandboxCapabilities {
  readonly contained: true;
  /** The limits of `CreateBoxOptions.limits` that are kept. */
  readonly limits: readonly ("cpu" | "memoryMb" | "pids" | "diskMb")[];
  /** How `diskMb` is kept. `measured`: all that the box may write to is counted while it runs, and it is ended when that is too much. */
  readonly diskLimit: "measured";
  /** Forks have the files, as layers of an image; processes start again. */
  readonly forks: "files";
  /** The engine's name and version, as it says them itself. */
  readonly engine: string;
}

export interface DockerSandboxState {
  readonly directory: string;
  readonly engine: DockerEngine;
  readonly engineVersion: string;
  /** Names the directory on what the engine keeps for it. */
  readonly label: string;
  /** Of boxes that name none; undefined: made of this machine when it is first needed. */
  readonly image: string | undefined;
  readonly maxBoxes: number | undefined;
  readonly maxLayers: number;
  readonly gateway: BoxGateway | undefined;
  readonly agents: string | undefined;
}

/**
 * Boxes in containers of a Docker engine. Made by `openDockerSandbox`.
 *
 * @stable
 */
export class DockerSandboxClient implements SandboxClient, AsyncDisposable {
  readonly capabilities: DockerSandboxCapabilities;
  readonly #state: DockerSandboxState;
  readonly #keeper: BoxKeeper<DockerBox>;
  readonly #runtime: Remembered<string>;
  readonly #image: Remembered<string>;
  readonly #forkStatus: Remembered<ForkStatus>;
  /** One image is made once, however many boxes wait for it. */
  readonly #making = new Map<string, Promise<string>>();

  /** Use `openDockerSandbox`. */
  constructor(state: DockerSandboxState) {
    this.#state = state;
    this.capabilities = {
      contained: true,
      limits: ["cpu", "memoryMb", "pids", "diskMb"],
      diskLimit: "measured",
      forks: "files",
      engine: state.engineVersion,
    };
    const owner: DockerBoxOwner = {
      checkpoint: (box, options) => this.#checkpoint(box, options),
      fork: (checkpointId, options) => this.restore(checkpointId, options),
      remove: (box) => this.#keeper.remove(box),
    };
    const { directory, maxBoxes, gateway, engine } = state;
    this.#runtime = new Remembered(() => renewRuntime(directory));
    this.#image = new Remembered(async () => ((await this.hasImage()) ? defaultImage() : buildEngineImage(engine)));
    this.#forkStatus = new Remembered(async () => {
      const image = await this.#ownImage();
      return proveFileFork(
        {
          createProbe: (spec, options) => this.#createFresh({ ...spec, image }, options, async () => {}),
          deleteCheckpoint: (id) => this.deleteCheckpoint(id),
        },
        "The files of the container are a layer that its forks share; processes start again, and the agent loads the conversation in the copy.",
      );
    });
    this.#keeper = new BoxKeeper({
      directory,
      contained: true,
      maxBoxes,
      gateway,
      open: ({ id, spec }, door) =>
        new DockerBox({ id, claimMs: spec.claimMs, channel: this.#channel(id, true), ...door }, owner),
      isRunning: (record) => this.#isRunning(record),
      remove: (id, record) => this.#removeBox(id, record),
    });
  }

  async create(options: CreateBoxOptions): Promise<DockerBox> {
    const spec = toBoxSpec(options, this.#state.agents);
    throwIfAborted(options.signal);
    return this.#createFresh({ ...spec, image: spec.image ?? (await this.#ownImage()) }, options, (workspace) =>
      placeFiles(workspace, options.files ?? [], options.signal),
    );
  }

  /** @throws SandboxError `sandbox_away` where the engine does not answer: what it keeps is not gone */
  attach(boxId: string): Promise<DockerBox | null> {
    return this.#keeper.attach(boxId);
  }

  list(labels?: Labels): Promise<BoxInfo[]> {
    return this.#keeper.list(labels);
  }

  async criuStatus(): Promise<CriuStatus> {
    return {
      available: false,
      reason:
        "A Docker engine cannot wake a checkpoint as another container. Forks copy files (see forkStatus); boxes of Podman are forked with their memory.",
    };
  }

  /** From a fork that was really made and read back, once per client (B4). */
  forkStatus(): Promise<ForkStatus> {
    return this.#forkStatus.get();
  }

  async restore(
    checkpointId: string,
    options: ForkBoxOptions & { readonly signal?: AbortSignal } = {},
  ): Promise<DockerBox> {
    const checkpoint = await readReadyCheckpoint(this.#state.directory, checkpointId);
    const labelled = { labels: checkpoint.labels, ...options, parentId: checkpoint.boxId };
    try {
      const runtime = await this.#runtime.get();
      const image = toCheckpointImage(checkpointId);
      return await this.#keeper.make(checkpoint.spec, labelled, {
        from: checkpointId,
        runtime,
        start: async (record, box) =>
          startContainer({
            ...this.#state,
            record,
            box,
            // One that was made by an earlier version of this package has that version in its layers.
            image: checkpoint.runtime === runtime ? image : await this.#runtimeImage(image, record.spec, runtime),
            signal: options.signal,
          }),
      });
    } catch (error) {
      throw toForkFailure(checkpointId, error);
    }
  }

  listCheckpoints(labels?: Labels): Promise<CheckpointInfo[]> {
    return listReadyCheckpoints(this.#state.directory, labels);
  }

  /** One that is gone already is no error. */
  async deleteCheckpoint(checkpointId: string): Promise<void> {
    const { directory, engine } = this.#state;
    if ((await readCheckpointRecord(directory, checkpointId)) === undefined) return;
    await removeCheckpoint(directory, checkpointId, engine);
    await this.#removeUnusedImages();
  }

  /** Removes the boxes that a dead owner left and whose claim is over, and checkpoints that were never finished (B3). @returns the ids of the boxes */
  async sweep(): Promise<readonly string[]> {
    const { directory, engine } = this.#state;
    await removeUnknownContainers(this.#state, (id) => existsSync(toBoxFolder(directory, id))).catch(() => {});
    const removed = await sweepRecords(directory, {
      isRunning: (record) => this.#isRunning(record),
      connect: ({ id }) => this.#channel(id, false).connect(),
      remove: (id, record) => this.#removeBox(id, record),
      removeCheckpoint: (id) => removeCheckpoint(directory, id, engine),
    });
    await this.#removeUnusedImages();
    return removed;
  }

  /** Removes what is left of a box, also of one that is dead and cannot be attached to. @throws SandboxError `box_delete_failed` */
  discard(boxId: string): Promise<void> {
    return this.#keeper.discard(boxId);
  }

  /** Lets go of the boxes that this client holds: they go on until their claim is over. */
  async close(): Promise<void> {
    this.#keeper.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Whether the engine has the image of boxes that name none; it is made when it is first needed. */
  async hasImage(): Promise<boolean> {
    const { image = defaultImage(), engine } = this.#state;
    return (await engine.inspectImage(image)) !== undefined;
  }

  async #createFresh(
    spec: BoxSpec & { readonly image: string },
    options: NewBox,
    fill: (workspace: string) => Promise<void>,
  ): Promise<DockerBox> {
    const runtime = await this.#runtime.get();
    const image = await this.#runtimeImage(spec.image, spec, runtime);
    return this.#keeper.make(spec, options, {
      runtime,
      start: (record, box) => startContainer({ ...this.#state, record, box, image, fill, signal: options.signal }),
    });
  }

  async #checkpoint(
    box: DockerBox,
    { mode, leaveRunning = true, tags = [] }: CheckpointOptions,
  ): Promise<{ readonly checkpointId: string; readonly mode: "files" }> {
    if (mode === "memory")
      throw new SandboxError(
        "checkpoint_failed",
        'A box of a Docker engine has no memory checkpoints; take one of its files (mode: "files"), or use Podman.',
      );
    const record = await this.#keeper.recordOf(box.id);
    const base = record.from === undefined ? undefined : toCheckpointImage(record.from);
    const layers = base === undefined ? 0 : ((await this.#state.engine.inspectImage(base))?.layers ?? 0);
    const checkpointId = await createCheckpoint({ ...this.#state, box, record, leaveRunning, tags, layers });
    return { checkpointId, mode: "files" };
  }

  #channel(id: string, isKept: boolean): RelayChannel {
    return new RelayChannel(() => startRelay(this.#state.engine, id), isKept);
  }

  async #isRunning({ id }: BoxRecord): Promise<boolean> {
    return (await this.#state.engine.inspectContainer(toContainerName(id)))?.running === true;
  }

  /** Removes a box's container, looks again whether it is gone, and then its folder. @throws SandboxError `box_delete_failed` */
  async #removeBox(id: string, record: BoxRecord | undefined): Promise<void> {
    const { directory, engine } = this.#state;
    const name = toContainerName(id);
    try {
      await engine.removeContainer(name);
      for (let waited = 0; (await engine.inspectContainer(name)) !== undefined; waited += GONE_LOOK_MS) {
        if (waited > GONE_MS) throw new Error("it is still there");
        await new Promise((resolve) => setTimeout(resolve, GONE_LOOK_MS));
      }
    } catch (cause) {
      throw new SandboxError(
        "box_delete_failed",
        `The container ${name} could not be removed: ${(cause as Error).message} Delete the box again, or remove it with "docker rm -f ${name}".`,
        { cause, retryable: true },
      );
    }
    await removeTree(toBoxFolder(directory, id), id);
    if (record?.from !== undefined && (await readCheckpointRecord(directory, record.from)) === undefined)
      await this.#removeUnusedImages();
  }

  async #removeUnusedImages(): Promise<void> {
    const runtime = await this.#runtime.begun;
    await removeUnusedImages(this.#state, runtime).catch(() => {});
  }

  /** The image of boxes that name none, made where it is missing. */
  #ownImage(): Promise<string> {
    const { image } = this.#state;
    return image === undefined ? this.#image.get() : Promise.resolve(image);
  }

  async #runtimeImage(image: string, { agentFolder }: BoxSpec, runtime: string): Promise<string> {
    const key = JSON.stringify([image, agentFolder]);
    const underWay = this.#making.get(key);
    if (underWay !== undefined) return underWay;
    const making = prepareRuntimeImage({ ...this.#state, image, runtime, agentFolder });
    this.#making.set(key, making);
    try {
      return await making;
    } finally {
      this.#making.delete(key);
    }
  }
}
