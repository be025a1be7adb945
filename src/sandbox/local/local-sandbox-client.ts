import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { SandboxError, ValidationError } from "../../errors.ts";
import type { BoxGateway } from "../box-gateway.ts";
import type {
  BoxInfo,
  BoxLimits,
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
import { createCheckpoint } from "./checkpoints.ts";
import type { CgroupKind } from "./box-cgroup.ts";
import type { Containment } from "./containment.ts";
import type { LocalBoxOwner } from "./local-box.ts";
import { LocalBox } from "./local-box.ts";
import { endBox, isRunning, removeBox } from "./remove-box.ts";
import { standsStill } from "./stands-still.ts";
import { startBox } from "./start-box.ts";
import { sweepBoxes } from "./sweep-boxes.ts";
import type { BoxSpec, FileTrees, NewBox, TreeCopy } from "../provider/index.ts";
import {
  BoxKeeper,
  listReadyCheckpoints,
  packCheckpoint,
  placeFiles,
  proveFileFork,
  readCheckpointRecord,
  readReadyCheckpoint,
  removeTree,
  takeInCheckpoint,
  toBoxSpec,
  toForkFailure,
} from "../provider/index.ts";
import type { BoxPaths } from "./box-paths.ts";
import { CHECKPOINT_FOLDERS, toBoxPaths, toCheckpointPaths } from "./box-paths.ts";

const FILES: Readonly<Record<TreeCopy, string>> = {
  snapshot: "snapshots of btrfs",
  reflink: "copied on write (reflink)",
  copy: "copied",
};

/**
 * What boxes of this machine are.
 *
 * @stable
 */
export interface LocalSandboxCapabilities {
  /** False: what runs in a box can read and write whatever its owner can. */
  readonly contained: boolean;
  /** Why it is not contained. */
  readonly reason?: string;
  /** `filtered`: the kernel refuses boxes the system calls that no agent needs (ptrace, mount, bpf, io_uring and their like). */
  readonly systemCalls: "filtered" | "unfiltered";
  /** Why the system calls of contained boxes are not filtered. */
  readonly systemCallsReason?: string;
  /** The limits of `CreateBoxOptions.limits` that are kept; a box that asks for another is refused. */
  readonly limits: readonly ("cpu" | "memoryMb" | "pids" | "diskMb")[];
  /**
   * How `memoryMb` and `pids` are kept. `kernel`: by control groups. `measured`: the box's processes are counted while it runs, and it is ended when
   * they are too much. `process`: each process has `memoryMb` of its own, and `pids` bounds all processes of the user, unless that is root.
   */
  readonly memoryLimit: "kernel" | "measured" | "process";
  /**
   * How `cpu` is kept; absent: it is not. `kernel`: by control groups. `measured`: the box's processes are counted while it runs, and stand still
   * whenever they have had more than their share.
   */
  readonly cpuLimit?: "kernel" | "measured";
  /** How `diskMb` is kept. `measured`: the box's files are counted while it runs, and it is ended when they are too much. */
  readonly diskLimit: "measured";
  /** How a fork gets its files. `snapshot`: of btrfs, whatever their size. `reflink`: copied on write. `copy`: in full. */
  readonly files: TreeCopy;
}

export interface LocalSandboxState {
  readonly directory: string;
  readonly containment: Containment;
  readonly accounts: string;
  readonly limitsAvailable: boolean;
  readonly trees: FileTrees;
  readonly maxBoxes?: number;
  readonly cgroups?: CgroupKind;
  /** The folder that agents were installed into. */
  readonly agents?: string;
  /** The door of boxes that were given none of their own. */
  readonly gateway?: BoxGateway;
}

function isMeasured({ diskMb, ...whole }: BoxLimits, kept: LocalSandboxCapabilities["memoryLimit"]): boolean {
  return diskMb !== undefined || (kept === "measured" && Object.keys(whole).length > 0);
}

/**
 * Boxes on this machine, each in a folder of the data directory. Made by `openLocalSandbox`.
 *
 * @stable
 */
export class LocalSandboxClient implements SandboxClient, AsyncDisposable {
  readonly capabilities: LocalSandboxCapabilities;
  readonly #state: LocalSandboxState;
  readonly #keeper: BoxKeeper<LocalBox>;
  #forkStatus: Promise<ForkStatus> | undefined;

  /** Use `openLocalSandbox`. */
  constructor(state: LocalSandboxState) {
    this.#state = state;
    this.capabilities = {
      contained: state.containment.contained,
      ...(state.containment.reason === undefined ? {} : { reason: state.containment.reason }),
      systemCalls: state.containment.filter === undefined ? "unfiltered" : "filtered",
      ...(state.containment.filterReason === undefined ? {} : { systemCallsReason: state.containment.filterReason }),
      limits: [
        ...(state.cgroups === undefined && !state.containment.contained ? [] : (["cpu"] as const)),
        ...(state.cgroups !== undefined || state.limitsAvailable || state.containment.contained
          ? (["memoryMb", "pids"] as const)
          : []),
        "diskMb",
      ],
      memoryLimit: state.cgroups !== undefined ? "kernel" : state.containment.contained ? "measured" : "process",
      ...(state.cgroups !== undefined
        ? { cpuLimit: "kernel" as const }
        : state.containment.contained
          ? { cpuLimit: "measured" as const }
          : {}),
      diskLimit: "measured",
      files: state.trees.how,
    };
    const owner: LocalBoxOwner = {
      checkpoint: (box, options) => this.#checkpoint(box, options),
      fork: (checkpointId, options) => this.restore(checkpointId, options),
      remove: (box) => this.#keeper.remove(box),
      standsStill: async (boxId) => {
        const { contained, process: first } = await this.#keeper.recordOf(boxId);
        return first !== undefined && standsStill(first, contained);
      },
      end: async (boxId) => endBox(boxId, await this.#keeper.recordOf(boxId), toBoxPaths(state.directory, boxId)),
    };
    const { directory, maxBoxes, gateway } = state;
    const { contained } = state.containment;
    this.#keeper = new BoxKeeper({
      directory,
      contained,
      maxBoxes,
      gateway,
      open: ({ id, spec, contained: isContained }, door) =>
        new LocalBox(
          {
            id,
            run: toBoxPaths(directory, id).run,
            claimMs: spec.claimMs,
            contained: isContained,
            isMeasured: isMeasured(spec.limits, this.capabilities.memoryLimit),
            ...door,
          },
          owner,
        ),
      isRunning: (record) => isRunning(record, toBoxPaths(directory, record.id)),
      remove: (id, record) => removeBox(id, record, toBoxPaths(directory, id)),
    });
  }

  async create(options: CreateBoxOptions): Promise<LocalBox> {
    const spec = toBoxSpec(options, this.#state.agents);
    if (options.image !== undefined) {
      throw new ValidationError(
        "invalid_option",
        `A local box has no images, so image "${options.image}" cannot be used; leave it out.`,
      );
    }
    return this.#createFresh(spec, options, (paths) =>
      placeFiles(paths.workspace, options.files ?? [], options.signal),
    );
  }

  attach(boxId: string): Promise<LocalBox | null> {
    return this.#keeper.attach(boxId);
  }

  list(labels?: Labels): Promise<BoxInfo[]> {
    return this.#keeper.list(labels);
  }

  async criuStatus(): Promise<CriuStatus> {
    return {
      available: false,
      reason: "Local boxes are processes of the host; their memory is not copied. Forks copy files (see forkStatus).",
    };
  }

  /** From a fork that was really made and read back, once per client (B4). */
  forkStatus(): Promise<ForkStatus> {
    this.#forkStatus ??= proveFileFork(
      {
        createProbe: (spec, options) => this.#createFresh(spec, options, async () => {}),
        deleteCheckpoint: (id) => this.deleteCheckpoint(id),
      },
      `Workspace and home are ${FILES[this.#state.trees.how]}; processes start again, and the agent loads the conversation in the copy.`,
    );
    return this.#forkStatus;
  }

  async restore(
    checkpointId: string,
    options: ForkBoxOptions & { readonly signal?: AbortSignal } = {},
  ): Promise<LocalBox> {
    const { directory, trees } = this.#state;
    const checkpoint = await readReadyCheckpoint(directory, checkpointId);
    const source = toCheckpointPaths(directory, checkpointId);
    const signal = options.signal === undefined ? {} : { signal: options.signal };
    try {
      return await this.#createFrom(
        checkpoint.spec,
        { labels: checkpoint.labels, ...options, parentId: checkpoint.boxId },
        async (paths) => {
          await trees.clone(source.workspace, paths.workspace, signal);
          await trees.clone(source.home, paths.home, signal);
        },
        checkpointId,
      );
    } catch (error) {
      throw toForkFailure(checkpointId, error);
    }
  }

  listCheckpoints(labels?: Labels): Promise<CheckpointInfo[]> {
    return listReadyCheckpoints(this.#state.directory, labels);
  }

  /** One that is gone already is no error. */
  async deleteCheckpoint(checkpointId: string): Promise<void> {
    if ((await readCheckpointRecord(this.#state.directory, checkpointId)) === undefined) return;
    await removeTree(toCheckpointPaths(this.#state.directory, checkpointId).root, checkpointId);
  }

  async *exportCheckpoint(checkpointId: string): AsyncGenerator<Uint8Array> {
    const { directory } = this.#state;
    const checkpoint = await readReadyCheckpoint(directory, checkpointId);
    yield* packCheckpoint(directory, checkpoint, this.#place, CHECKPOINT_FOLDERS);
  }

  async importCheckpoint(
    bytes: AsyncIterable<Uint8Array>,
    options: CreateBoxOptions,
  ): Promise<{ readonly checkpointId: string; readonly mode: CheckpointMode }> {
    const { agents, directory, trees } = this.#state;
    return takeInCheckpoint(bytes, {
      directory,
      place: this.#place,
      spec: toBoxSpec(options, agents),
      names: CHECKPOINT_FOLDERS,
      forkStatus: () => this.forkStatus(),
      prepare: async (folder) => {
        for (const name of CHECKPOINT_FOLDERS) await trees.create(join(folder, name));
      },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  }

  /** Removes the boxes that a dead owner left and whose claim is over, and checkpoints that were never finished (B3). @returns the ids of the boxes */
  sweep(): Promise<readonly string[]> {
    return sweepBoxes(this.#state.directory);
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

  /** Programs in the workspace are the machine's, and a conversation names its paths, which are others in a box that is not contained. */
  get #place(): Readonly<Record<string, string>> {
    return {
      sandbox: "local",
      system: process.platform,
      processor: process.arch,
      containment: this.capabilities.contained ? "on" : "off",
    };
  }

  #createFresh(spec: BoxSpec, options: NewBox, fill: (paths: BoxPaths) => Promise<void>): Promise<LocalBox> {
    return this.#createFrom(spec, options, async (paths) => {
      await this.#state.trees.create(paths.workspace);
      await this.#state.trees.create(paths.home);
      await fill(paths);
    });
  }

  #createFrom(
    spec: BoxSpec,
    options: NewBox,
    fill: (paths: BoxPaths) => Promise<void>,
    from?: string,
  ): Promise<LocalBox> {
    const { directory, containment, accounts, limitsAvailable, cgroups } = this.#state;
    const { signal } = options;
    this.#requireLimits(spec.limits);
    return this.#keeper.make(spec, options, {
      ...(from === undefined ? {} : { from }),
      start: async (record, box, known) => {
        const paths = toBoxPaths(directory, record.id);
        await fill(paths);
        await mkdir(paths.run);
        known(
          await startBox({
            record,
            paths,
            accounts,
            limitsAvailable,
            ...(cgroups === undefined ? {} : { cgroups }),
            ...(containment.filter === undefined ? {} : { filter: containment.filter }),
            client: box,
            ...(signal === undefined ? {} : { signal }),
          }),
        );
      },
    });
  }

  /** A limit that nothing keeps is refused: whoever asks for it relies on it. @throws SandboxError `box_create_failed` */
  #requireLimits(limits: BoxLimits): void {
    const kept: readonly string[] = this.capabilities.limits;
    const lost = Object.entries(limits).flatMap(([name, limit]) =>
      limit === undefined || kept.includes(name) ? [] : [name],
    );
    if (lost.length === 0) return;
    throw new SandboxError(
      "box_create_failed",
      `Nothing here keeps the limit ${lost.join(", ")} of a box; leave it out, or run where boxes are contained or control groups can be made (capabilities.limits).`,
    );
  }

  async #checkpoint(
    box: LocalBox,
    options: CheckpointOptions,
  ): Promise<{ readonly checkpointId: string; readonly mode: "files" }> {
    const { directory } = this.#state;
    if (options.mode === "memory")
      throw new SandboxError(
        "checkpoint_failed",
        'A local box has no memory checkpoints; take one of its files (mode: "files").',
      );
    const record = await this.#keeper.recordOf(box.id);
    const checkpointId = await createCheckpoint(directory, box, record, options.tags ?? [], this.#state.trees);
    if (options.leaveRunning === false) await endBox(box.id, record, toBoxPaths(directory, box.id));
    return { checkpointId, mode: "files" };
  }
}
