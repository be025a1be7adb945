import { mkdir, stat } from "node:fs/promises";
import { SandboxError, SkeinError } from "../../errors.ts";
import { toAbortError } from "../../internal/abort.ts";
import { createId } from "../../internal/ids.ts";
import type { ProcessIdentity } from "../../internal/process-identity.ts";
import { isAlive, ownIdentity } from "../../internal/process-identity.ts";
import type { BoxGateway } from "../box-gateway.ts";
import { checkAgent, findAgentFolder } from "../boxd/index.ts";
import type { BoxRecord, BoxSpec, NewBox } from "../provider/index.ts";
import {
  BoxCeiling,
  boxesFolder,
  checkpointsFolder,
  GatewayDoors,
  listBoxes,
  listIds,
  listReadyCheckpoints,
  placeFiles,
  PROBE_LABEL,
  readBoxRecord,
  readCheckpointRecord,
  readReadyCheckpoint,
  removeTree,
  sweepRecords,
  toForkFailure,
  writeRecord,
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
import { buildBoxImage, defaultImage } from "./box-image.ts";
import { prepareRuntime, removeOldRuntimes } from "./box-runtime-folder.ts";
import { createCheckpoint, removeCheckpoint } from "./checkpoints.ts";
import type { ContainerPaths } from "./container-paths.ts";
import { toCheckpointPaths, toContainerPaths } from "./container-paths.ts";
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

const DEFAULT_CLAIM_MS = 600_000;

/**
 * What boxes in containers are.
 *
 * @stable
 */
export interface PodmanSandboxCapabilities {
  readonly contained: true;
  /** The limits of `CreateBoxOptions.limits` that are kept; `diskMb` bounds each file, not their sum. */
  readonly limits: readonly ("cpu" | "memoryMb" | "pids" | "diskMb")[];
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

/** Where a box comes from: how its tree is filled, and how its first process comes to be. */
interface Origin {
  readonly from?: string;
  fill(paths: ContainerPaths): Promise<void>;
  start(
    record: BoxRecord,
    box: PodmanBox,
    paths: ContainerPaths,
    known: (first: ProcessIdentity) => void,
  ): Promise<void>;
}

/**
 * Boxes in Podman's containers. Made by `openPodmanSandbox`.
 *
 * @stable
 */
export class PodmanSandboxClient implements SandboxClient, AsyncDisposable {
  readonly capabilities: PodmanSandboxCapabilities;
  readonly #state: PodmanSandboxState;
  readonly #held = new Set<PodmanBox>();
  /** The first processes of boxes that this client has in hand. */
  readonly #processes = new Map<string, ProcessIdentity>();
  readonly #doors: GatewayDoors;
  readonly #ceiling: BoxCeiling;
  readonly #owner: PodmanBoxOwner;
  readonly #probe: ForkProbe;
  #runtime: Promise<string> | undefined;
  #image: Promise<string> | undefined;

  /** Use `openPodmanSandbox`. */
  constructor(state: PodmanSandboxState) {
    this.#state = state;
    this.#doors = new GatewayDoors(state.gateway);
    this.#ceiling = new BoxCeiling(state.maxBoxes);
    this.capabilities = { contained: true, limits: ["cpu", "memoryMb", "pids", "diskMb"], files: state.cow.kind };
    this.#owner = {
      checkpoint: (box, options) => this.#checkpoint(box, options),
      fork: (checkpointId, options) => this.restore(checkpointId, options),
      remove: (box) => this.#remove(box),
    };
    this.#probe = openForkProbe({ client: this, directory: state.directory, podman: state.podman });
  }

  async create(options: CreateBoxOptions): Promise<PodmanBox> {
    checkAgent(options.profile);
    if (options.signal?.aborted) throw toAbortError(options.signal);
    const agentFolder = findAgentFolder(options.profile, this.#state.agents);
    const spec: BoxSpec = {
      profile: options.profile,
      image: options.image ?? (await this.image()),
      env: options.env ?? {},
      network: options.network ?? "none",
      limits: options.limits ?? {},
      claimMs: options.claimMs ?? DEFAULT_CLAIM_MS,
      agentStart: "eager",
      ...(agentFolder === undefined ? {} : { agentFolder }),
    };
    return this.createFresh(spec, options, (paths) => placeFiles(paths.workspace, options.files ?? [], options.signal));
  }

  async attach(boxId: string): Promise<PodmanBox | null> {
    const record = await readBoxRecord(this.#state.directory, boxId);
    if (record?.process === undefined || record.state !== "running" || !isAlive(record.process)) return null;
    const box = this.#open(record);
    this.#processes.set(boxId, record.process);
    try {
      await box.health();
      box.hold();
      // The one who came back is the owner now: a sweep must not think that the box has none.
      await writeRecord(this.#paths(boxId).record, { ...record, owner: ownIdentity() });
      return box;
    } catch (error) {
      this.#letGo(box);
      if (SkeinError.is(error) && error.code === "box_gone") return null;
      throw error;
    }
  }

  list(labels?: Labels): Promise<BoxInfo[]> {
    return listBoxes(this.#state.directory, labels, ({ process: first }) => first !== undefined && isAlive(first));
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
        return await this.#createFrom(checkpoint.spec, labelled, {
          ...this.#freshOrigin(labelled, (paths) => cow.clone(source.tree, paths.tree, signal)),
          from: checkpointId,
        });
      }
      return await this.#createFrom(checkpoint.spec, labelled, {
        from: checkpointId,
        fill: (paths) => cow.clone(source.tree, paths.tree, signal),
        start: async (record, box, paths, known) => {
          known(
            await restoreContainer({
              id: record.id,
              parentId: checkpoint.boxId,
              network: record.spec.network,
              paths,
              source,
              podman,
              ...(signal === undefined ? {} : { signal }),
            }),
          );
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
      checkpoints.map(async ({ id, boxId, mode, labels: own, createdAt }) => {
        const size = await stat(toCheckpointPaths(this.#state.directory, id).memory).then(
          (stats) => ({ size: stats.size }),
          () => ({}),
        );
        return { id, boxId, mode, labels: own, createdAt, ...size };
      }),
    );
  }

  /** One that is gone already is no error. */
  async deleteCheckpoint(checkpointId: string): Promise<void> {
    if ((await readCheckpointRecord(this.#state.directory, checkpointId)) === undefined) return;
    await removeCheckpoint(this.#state.directory, checkpointId, this.#state.cow);
  }

  /** Removes the boxes that a dead owner left and whose claim is over, and checkpoints that were never finished (B3). @returns the ids of the boxes */
  async sweep(): Promise<readonly string[]> {
    const { directory, podman, cow } = this.#state;
    await removeUnknownContainers(directory, podman).catch(() => {});
    return sweepRecords(directory, {
      isRunning: async ({ process: first }) => first !== undefined && isAlive(first),
      connect: (record) => connectContainer(record.id, record.process),
      remove: async (id, record) => {
        await endContainer(id, record, podman);
        await removeBoxFolder(id, toContainerPaths(directory, id), cow);
      },
      removeCheckpoint: (id) => removeCheckpoint(directory, id, cow),
    });
  }

  /** Lets go of the boxes that this client holds: they go on until their claim is over. */
  async close(): Promise<void> {
    for (const box of this.#held) box.release();
    this.#held.clear();
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
    const { image, podman } = this.#state;
    if (image !== undefined) return Promise.resolve(image);
    this.#image ??= (async () => {
      const own = defaultImage();
      return (await this.hasImage()) ? own : buildBoxImage(podman, own);
    })().catch((error: unknown) => {
      this.#image = undefined;
      throw error;
    });
    return this.#image;
  }

  /** @internal A box that begins with its first process. */
  createFresh(spec: BoxSpec, options: NewBox, fill: (paths: ContainerPaths) => Promise<void>): Promise<PodmanBox> {
    return this.#createFrom(
      spec,
      options,
      this.#freshOrigin(options, async (paths) => {
        await this.#state.cow.create(paths.tree);
        await mkdir(paths.workspace);
        await mkdir(paths.home);
        await fill(paths);
      }),
    );
  }

  #freshOrigin({ signal }: { readonly signal?: AbortSignal }, fill: Origin["fill"]): Origin {
    return {
      fill,
      start: async (record, box, paths, known) => {
        const { directory, podman } = this.#state;
        const start = {
          directory,
          record,
          runtime: record.runtime ?? (await this.#prepareRuntime()),
          image: record.spec.image ?? (await this.image()),
          paths,
          podman,
          ...(signal === undefined ? {} : { signal }),
        };
        const first = await startContainer(start);
        known(first);
        await waitForBoxd(start, box, first);
      },
    };
  }

  /** Makes a box of any origin: on record first, then its files, then its processes; whatever fails, nothing of it stays. */
  async #createFrom(spec: BoxSpec, options: NewBox, origin: Origin): Promise<PodmanBox> {
    const { podman, cow } = this.#state;
    const { signal } = options;
    if (signal?.aborted) throw toAbortError(signal);
    const runtime = await this.#prepareRuntime();
    const id = createId("box");
    const door = this.#doors.choose(id, spec, options.gateway, options.parentId);
    const addressed = await this.#doors.address(spec, door, true);
    // A probe's boxes are gone at once, and it needs two.
    if (options.labels?.[PROBE_LABEL] === undefined) await this.#ceiling.take(id, signal);
    const paths = this.#paths(id);
    const record: BoxRecord = {
      format: 1,
      id,
      ...(options.name === undefined ? {} : { name: options.name }),
      labels: options.labels ?? {},
      state: "creating",
      contained: true,
      createdAt: Date.now(),
      owner: ownIdentity(),
      spec: addressed,
      runtime,
      ...(origin.from === undefined ? {} : { from: origin.from }),
    };
    const box = this.#open(record);
    let first: ProcessIdentity | undefined;
    try {
      await mkdir(paths.root, { recursive: true, mode: 0o700 });
      await writeRecord(paths.record, record);
      await origin.fill(paths);
      await origin.start(record, box, paths, (process) => {
        first = process;
        this.#processes.set(id, process);
      });
      box.hold();
      await writeRecord(paths.record, {
        ...record,
        state: "running",
        ...(first === undefined ? {} : { process: first }),
      });
      return box;
    } catch (error) {
      this.#letGo(box);
      this.#ceiling.free(id);
      const failures: unknown[] = [];
      await endContainer(id, first === undefined ? record : { ...record, process: first }, podman)
        .then(() => removeBoxFolder(id, paths, cow))
        .catch((failure: unknown) => failures.push(failure));
      if (signal?.aborted) throw toAbortError(signal);
      if (SkeinError.is(error)) throw error;
      throw new SandboxError("box_create_failed", `The box ${id} could not be made: ${(error as Error).message}`, {
        cause: error,
        suppressed: failures,
      });
    }
  }

  async #checkpoint(
    box: PodmanBox,
    { mode, leaveRunning = true, tags = [] }: CheckpointOptions,
  ): Promise<{ readonly checkpointId: string; readonly mode: CheckpointMode }> {
    const { directory, podman, cow } = this.#state;
    const record = await readBoxRecord(directory, box.id);
    if (record === undefined) throw new SandboxError("box_gone", `The box ${box.id} is gone.`);
    const actual = mode ?? ((await this.criuStatus()).available ? "memory" : "files");
    return createCheckpoint({ directory, podman, cow, box, record, mode: actual, leaveRunning, tags });
  }

  async #remove(box: PodmanBox): Promise<void> {
    const { directory, podman, cow } = this.#state;
    const paths = this.#paths(box.id);
    const isOnDisk = await stat(paths.root).then(
      () => true,
      () => false,
    );
    if (isOnDisk) {
      await endContainer(box.id, await readBoxRecord(directory, box.id), podman);
      await removeBoxFolder(box.id, paths, cow);
    }
    this.#ceiling.free(box.id);
    this.#letGo(box);
  }

  /** What boxes have of this package; older ones that nothing on record needs are removed. */
  #prepareRuntime(): Promise<string> {
    this.#runtime ??= (async () => {
      const { directory } = this.#state;
      const own = await prepareRuntime(directory);
      const used = new Set([own]);
      for (const id of await listIds(boxesFolder(directory)))
        used.add((await readBoxRecord(directory, id))?.runtime ?? own);
      for (const id of await listIds(checkpointsFolder(directory)))
        used.add((await readCheckpointRecord(directory, id))?.runtime ?? own);
      await removeOldRuntimes(directory, used);
      return own;
    })().catch((error: unknown) => {
      this.#runtime = undefined;
      throw error;
    });
    return this.#runtime;
  }

  #paths(id: string): ContainerPaths {
    return toContainerPaths(this.#state.directory, id);
  }

  #open(record: BoxRecord): PodmanBox {
    const { id, spec } = record;
    const connect = (): ReturnType<typeof connectContainer> => connectContainer(id, this.#processes.get(id));
    const box = new PodmanBox({ id, claimMs: spec.claimMs, connect, ...this.#doors.optionOf(record) }, this.#owner);
    this.#held.add(box);
    return box;
  }

  #letGo(box: PodmanBox): void {
    box.release();
    this.#held.delete(box);
  }
}
