import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { throwIfAborted } from "../../internal/abort.ts";
import type { ProcessIdentity } from "../../internal/process-identity.ts";
import { isAlive } from "../../internal/process-identity.ts";
import { Remembered } from "../../internal/remembered.ts";
import type { BoxGateway } from "../box-gateway.ts";
import type { BoxOrigin, BoxRecord, BoxSpec, NewBox } from "../provider/index.ts";
import {
  BoxKeeper,
  defaultImage,
  listReadyCheckpoints,
  packCheckpoint,
  placeFiles,
  readCheckpointRecord,
  readReadyCheckpoint,
  removeTree,
  renewRuntime,
  sweepRecords,
  takeInCheckpoint,
  toBoxSpec,
  toForkFailure,
} from "../provider/index.ts";
import type {
  BoxInfo,
  CheckpointInfo,
  CheckpointMode,
  CheckpointOptions,
  CreateBoxOptions,
  CriuStatus,
  ForkBoxOptions,
  ForkStatus,
  Labels,
  SandboxClient,
} from "../sandbox.ts";
import { buildBoxImage } from "./box-image.ts";
import { createCheckpoint, removeCheckpoint } from "./checkpoints.ts";
import type { ContainerPaths } from "./container-paths.ts";
import { CHECKPOINT_FOLDERS, toCheckpointPaths, toContainerPaths } from "./container-paths.ts";
import { connectContainer } from "./container-socket.ts";
import type { CowTree } from "./cow-tree.ts";
import type { PodmanBoxOwner } from "./podman-box.ts";
import { PodmanBox } from "./podman-box.ts";
import type { PodmanCommand } from "./podman-command.ts";
import type { ForkProbe } from "./probe-memory.ts";
import { openForkProbe } from "./probe-memory.ts";
import { endContainer, removeBoxFolder, removeUnknownContainers } from "./remove-container.ts";
import { restoreContainer } from "./restore-container.ts";
import { startContainer, waitForBoxd } from "./start-container.ts";

/**
 * What boxes in containers are.
 *
 * @stable
 */
export interface PodmanSandboxCapabilities {
  readonly contained: true;
  /** The limits of `CreateBoxOptions.limits` that are kept. */
  readonly limits: readonly ("cpu" | "memoryMb" | "pids" | "diskMb")[];
  /** How `diskMb` is kept. `measured`: all that the box may write to is counted while it runs, and it is ended when that is too much. */
  readonly diskLimit: "measured";
  /** How files are copied for a fork. `snapshot`: at once, on btrfs. `copy`: as the file system can. */
  readonly files: "snapshot" | "copy";
}

export interface PodmanSandboxState {
  readonly directory: string;
  readonly podman: PodmanCommand;
  readonly cow: CowTree;
  /** Of boxes that name none; undefined: made of this machine when it is first needed. */
  readonly image: string | undefined;
  readonly maxBoxes: number | undefined;
  /** The door of boxes that were given none of their own. */
  readonly gateway?: BoxGateway | undefined;
  /** The folder that agents were installed into. */
  readonly agents?: string | undefined;
}

/**
 * Boxes in Podman's containers. Made by `openPodmanSandbox`.
 *
 * @stable
 */
export class PodmanSandboxClient implements SandboxClient, AsyncDisposable {
  readonly capabilities: PodmanSandboxCapabilities;
  readonly #state: PodmanSandboxState;
  readonly #keeper: BoxKeeper<PodmanBox>;
  /** The first processes of boxes that this client has in hand. */
  readonly #processes = new Map<string, ProcessIdentity>();
  readonly #probe: ForkProbe;
  readonly #runtime: Remembered<string>;
  readonly #image: Remembered<string>;

  /** Use `openPodmanSandbox`. */
  constructor(state: PodmanSandboxState) {
    this.#state = state;
    this.capabilities = {
      contained: true,
      limits: ["cpu", "memoryMb", "pids", "diskMb"],
      diskLimit: "measured",
      files: state.cow.kind,
    };
    const owner: PodmanBoxOwner = {
      checkpoint: (box, options) => this.#checkpoint(box, options),
      fork: (checkpointId, options) => this.restore(checkpointId, options),
      remove: (box) => this.#keeper.remove(box),
    };
    const { directory, maxBoxes, gateway, podman } = state;
    this.#runtime = new Remembered(() => renewRuntime(directory));
    this.#image = new Remembered(async () => {
      const own = defaultImage();
      return (await this.hasImage()) ? own : buildBoxImage(podman, own);
    });
    this.#keeper = new BoxKeeper({
      directory,
      contained: true,
      maxBoxes,
      gateway,
      open: ({ id, spec, process: first }, door) => {
        if (first !== undefined) this.#processes.set(id, first);
        const connect = (): ReturnType<typeof connectContainer> => connectContainer(id, this.#processes.get(id));
        return new PodmanBox({ id, claimMs: spec.claimMs, connect, ...door }, owner);
      },
      isRunning: ({ process: first }) => first !== undefined && isAlive(first),
      remove: (id, record) => this.#removeBox(id, record),
    });
    this.#probe = openForkProbe({ client: this, directory: state.directory, podman: state.podman });
  }

  async create(options: CreateBoxOptions): Promise<PodmanBox> {
    const spec = toBoxSpec(options, this.#state.agents);
    throwIfAborted(options.signal);
    return this.createFresh({ ...spec, image: spec.image ?? (await this.image()) }, options, (paths) =>
      placeFiles(paths.workspace, options.files ?? [], options.signal),
    );
  }

  attach(boxId: string): Promise<PodmanBox | null> {
    return this.#keeper.attach(boxId);
  }

  list(labels?: Labels): Promise<BoxInfo[]> {
    return this.#keeper.list(labels);
  }

  /** From a process that was really forked and whose memory was read back (B4); remembered for a day, or until the machine changes. */
  criuStatus(): Promise<CriuStatus> {
    return this.#probe.criuStatus();
  }

  forkStatus(): Promise<ForkStatus> {
    return this.#probe.forkStatus();
  }

  async restore(
    checkpointId: string,
    options: ForkBoxOptions & { readonly signal?: AbortSignal } = {},
  ): Promise<PodmanBox> {
    const { directory, podman, cow } = this.#state;
    const checkpoint = await readReadyCheckpoint(directory, checkpointId);
    const source = toCheckpointPaths(directory, checkpointId);
    const { signal } = options;
    const labelled = { labels: checkpoint.labels, ...options, parentId: checkpoint.boxId };
    try {
      if (checkpoint.mode === "files") {
        return await this.#keeper.make(checkpoint.spec, labelled, {
          ...(await this.#freshOrigin(labelled, (paths) => cow.clone(source.tree, paths.tree, signal))),
          from: checkpointId,
        });
      }
      return await this.#keeper.make(checkpoint.spec, labelled, {
        from: checkpointId,
        runtime: checkpoint.runtime ?? (await this.#runtime.get()),
        start: async (record, box, known) => {
          const paths = this.#paths(record.id);
          await cow.clone(source.tree, paths.tree, signal);
          const first = await restoreContainer({
            directory,
            id: record.id,
            parentId: checkpoint.boxId,
            network: record.spec.network,
            paths,
            source,
            podman,
            ...(signal === undefined ? {} : { signal }),
          });
          this.#processes.set(record.id, first);
          known(first);
          await removeTree(paths.archive, record.id);
          await box.become();
        },
      });
    } catch (error) {
      throw toForkFailure(checkpointId, error);
    }
  }

  async listCheckpoints(labels?: Labels): Promise<CheckpointInfo[]> {
    const checkpoints = await listReadyCheckpoints(this.#state.directory, labels);
    return Promise.all(
      checkpoints.map(async (checkpoint) => {
        const size = await stat(toCheckpointPaths(this.#state.directory, checkpoint.id).memory).then(
          (stats) => ({ size: stats.size }),
          () => ({}),
        );
        return { ...checkpoint, ...size };
      }),
    );
  }

  /** One that is gone already is no error. */
  async deleteCheckpoint(checkpointId: string): Promise<void> {
    if ((await readCheckpointRecord(this.#state.directory, checkpointId)) === undefined) return;
    await removeCheckpoint(this.#state.directory, checkpointId, this.#state.cow);
  }

  /** The files of the checkpoint. Its memory stays: it holds the keys that the agent was given, and needs this very machine. */
  async *exportCheckpoint(checkpointId: string): AsyncGenerator<Uint8Array> {
    const { directory } = this.#state;
    const checkpoint = await readReadyCheckpoint(directory, checkpointId);
    const place = await this.#placeOf(checkpoint.spec.image);
    yield* packCheckpoint(directory, { ...checkpoint, mode: "files" }, place, CHECKPOINT_FOLDERS);
  }

  async importCheckpoint(
    bytes: AsyncIterable<Uint8Array>,
    options: CreateBoxOptions,
  ): Promise<{ readonly checkpointId: string; readonly mode: CheckpointMode }> {
    const { agents, cow, directory } = this.#state;
    const spec = toBoxSpec(options, agents);
    const image = spec.image ?? (await this.image());
    return takeInCheckpoint(bytes, {
      directory,
      place: await this.#placeOf(image),
      spec: { ...spec, image },
      names: CHECKPOINT_FOLDERS,
      forkStatus: () => this.forkStatus(),
      prepare: async (folder) => {
        for (const name of CHECKPOINT_FOLDERS) await cow.create(join(folder, name));
      },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }

  /** Removes the boxes that a dead owner left and whose claim is over, and checkpoints that were never finished (B3). @returns the ids of the boxes */
  async sweep(): Promise<readonly string[]> {
    const { directory, podman, cow } = this.#state;
    await removeUnknownContainers(directory, podman).catch(() => {});
    return sweepRecords(directory, {
      isRunning: async ({ process: first }) => first !== undefined && isAlive(first),
      connect: (record) => connectContainer(record.id, record.process),
      remove: (id, record) => this.#removeBox(id, record),
      removeCheckpoint: (id) => removeCheckpoint(directory, id, cow),
    });
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

  /** Whether the image of boxes that name none is there; it is made when it is first needed. */
  async hasImage(): Promise<boolean> {
    const { image = defaultImage(), podman } = this.#state;
    return (await podman.try(["image", "exists", image])).exitCode === 0;
  }

  /** @internal The image of boxes that name none, made where it is missing. */
  image(): Promise<string> {
    const { image } = this.#state;
    return image === undefined ? this.#image.get() : Promise.resolve(image);
  }

  /** @internal A box that begins with its first process. */
  async createFresh(
    spec: BoxSpec,
    options: NewBox,
    fill: (paths: ContainerPaths) => Promise<void>,
  ): Promise<PodmanBox> {
    const origin = await this.#freshOrigin(options, async (paths) => {
      await this.#state.cow.create(paths.tree);
      await mkdir(paths.workspace);
      await mkdir(paths.home);
      await fill(paths);
    });
    return this.#keeper.make(spec, options, origin);
  }

  async #freshOrigin(
    { signal }: { readonly signal?: AbortSignal },
    fill: (paths: ContainerPaths) => Promise<void>,
  ): Promise<BoxOrigin<PodmanBox>> {
    const runtime = await this.#runtime.get();
    return {
      runtime,
      start: async (record, box, known) => {
        const { directory, podman } = this.#state;
        const paths = this.#paths(record.id);
        await fill(paths);
        const start = {
          directory,
          record,
          runtime,
          image: record.spec.image ?? (await this.image()),
          paths,
          podman,
          ...(signal === undefined ? {} : { signal }),
        };
        const first = await startContainer(start);
        this.#processes.set(record.id, first);
        known(first);
        await waitForBoxd(start, box, first);
      },
    };
  }

  async #checkpoint(
    box: PodmanBox,
    { mode, leaveRunning = true, tags = [] }: CheckpointOptions,
  ): Promise<{ readonly checkpointId: string; readonly mode: CheckpointMode }> {
    const { directory, podman, cow } = this.#state;
    const record = await this.#keeper.recordOf(box.id);
    const actual = mode ?? ((await this.criuStatus()).available ? "memory" : "files");
    return createCheckpoint({ directory, podman, cow, box, record, mode: actual, leaveRunning, tags });
  }

  async #removeBox(id: string, record: BoxRecord | undefined): Promise<void> {
    await endContainer(id, record, this.#state.podman);
    await removeBoxFolder(id, this.#paths(id), this.#state.cow);
    this.#processes.delete(id);
  }

  /** Programs in the workspace are linked with the image's, and an image of one name may be another elsewhere. */
  async #placeOf(image: string | undefined): Promise<Readonly<Record<string, string>>> {
    const name = image ?? (await this.image());
    // Skein's own is made on each machine; its name says of which Node and of which Skein.
    const inspected =
      name === defaultImage()
        ? undefined
        : await this.#state.podman.try(["image", "inspect", "--format={{.Id}}", name]);
    return {
      sandbox: "podman",
      system: process.platform,
      processor: process.arch,
      image: inspected === undefined ? name : inspected.exitCode === 0 ? inspected.stdout.trim() : `none (${name})`,
    };
  }

  #paths(id: string): ContainerPaths {
    return toContainerPaths(this.#state.directory, id);
  }
}
