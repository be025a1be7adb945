import { mkdir, readdir } from "node:fs/promises";
import { ownIdentity } from "../../internal/process-identity.ts";
import { SandboxError, SkeinError, ValidationError } from "../../errors.ts";
import { toAbortError } from "../../internal/abort.ts";
import { createId } from "../../internal/ids.ts";
import type { BoxGateway } from "../box-gateway.ts";
import { checkAgent, findAgentFolder } from "../boxd/index.ts";
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
import { createCheckpoint } from "./checkpoints.ts";
import type { CgroupKind } from "./box-cgroup.ts";
import type { Containment } from "./containment.ts";
import type { LocalBoxOwner } from "./local-box.ts";
import { LocalBox } from "./local-box.ts";
import { probeFork } from "./probe-fork.ts";
import { endBox, isRunning, removeBoxFolder } from "./remove-box.ts";
import { startBox } from "./start-box.ts";
import { sweepBoxes } from "./sweep-boxes.ts";
import type { BoxRecord, BoxSpec, NewBox } from "../provider/index.ts";
import {
  copyTree,
  BoxCeiling,
  GatewayDoors,
  PROBE_LABEL,
  placeFiles,
  listBoxes,
  listReadyCheckpoints,
  readBoxRecord,
  readCheckpointRecord,
  readReadyCheckpoint,
  toForkFailure,
  removeTree,
  writeRecord,
} from "../provider/index.ts";
import type { BoxPaths } from "./box-paths.ts";
import { toBoxPaths, toCheckpointPaths } from "./box-paths.ts";

const DEFAULT_CLAIM_MS = 600_000;

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
  /** The limits of `CreateBoxOptions.limits` that are kept; the others are not. */
  readonly limits: readonly ("cpu" | "memoryMb" | "pids" | "diskMb")[];
}

export interface LocalSandboxState {
  readonly directory: string;
  readonly containment: Containment;
  readonly accounts: string;
  readonly limitsAvailable: boolean;
  readonly maxBoxes?: number;
  readonly cgroups?: CgroupKind;
  /** The folder that agents were installed into. */
  readonly agents?: string;
  /** The door of boxes that were given none of their own. */
  readonly gateway?: BoxGateway;
}

/**
 * Boxes on this machine, each in a folder of the data directory. Made by `openLocalSandbox`.
 *
 * @stable
 */
export class LocalSandboxClient implements SandboxClient, AsyncDisposable {
  readonly capabilities: LocalSandboxCapabilities;
  readonly #state: LocalSandboxState;
  readonly #held = new Set<LocalBox>();
  readonly #doors: GatewayDoors;
  readonly #ceiling: BoxCeiling;
  readonly #owner: LocalBoxOwner;
  #forkStatus: Promise<ForkStatus> | undefined;

  /** Use `openLocalSandbox`. */
  constructor(state: LocalSandboxState) {
    this.#state = state;
    this.#doors = new GatewayDoors(state.gateway);
    this.#ceiling = new BoxCeiling(state.maxBoxes);
    this.capabilities = {
      contained: state.containment.contained,
      ...(state.containment.reason === undefined ? {} : { reason: state.containment.reason }),
      systemCalls: state.containment.filter === undefined ? "unfiltered" : "filtered",
      ...(state.containment.filterReason === undefined ? {} : { systemCallsReason: state.containment.filterReason }),
      limits: [
        ...(state.cgroups === undefined ? [] : (["cpu"] as const)),
        ...(state.cgroups !== undefined || state.limitsAvailable ? (["memoryMb", "pids"] as const) : []),
        ...(state.limitsAvailable ? (["diskMb"] as const) : []),
      ],
    };
    this.#owner = {
      checkpoint: (box, options) => this.#checkpoint(box, options),
      fork: (checkpointId, options) => this.restore(checkpointId, options),
      remove: (box) => this.#remove(box),
    };
  }

  async create(options: CreateBoxOptions): Promise<LocalBox> {
    checkAgent(options.profile);
    if (options.image !== undefined) {
      throw new ValidationError(
        "invalid_option",
        `A local box has no images, so image "${options.image}" cannot be used; leave it out.`,
      );
    }
    const agentFolder = findAgentFolder(options.profile, this.#state.agents);
    const spec: BoxSpec = {
      profile: options.profile,
      env: options.env ?? {},
      network: options.network ?? "none",
      limits: options.limits ?? {},
      claimMs: options.claimMs ?? DEFAULT_CLAIM_MS,
      agentStart: "eager",
      ...(agentFolder === undefined ? {} : { agentFolder }),
    };
    return this.createFrom(spec, options, async (paths) => {
      await mkdir(paths.workspace);
      await mkdir(paths.home);
      await placeFiles(paths.workspace, options.files ?? [], options.signal);
    });
  }

  async attach(boxId: string): Promise<LocalBox | null> {
    const record = await readBoxRecord(this.#state.directory, boxId);
    if (record === undefined || record.state !== "running") return null;
    const paths = toBoxPaths(this.#state.directory, boxId);
    if (!(await isRunning(record, paths))) return null;
    const box = this.#open(record, paths);
    try {
      await box.health();
      box.hold();
      // The one who came back is the owner now: a sweep must not think that the box has none.
      await writeRecord(paths.record, { ...record, owner: ownIdentity() });
      return box;
    } catch (error) {
      this.#letGo(box);
      if (SkeinError.is(error) && error.code === "box_gone") return null;
      throw error;
    }
  }

  list(labels?: Labels): Promise<BoxInfo[]> {
    const { directory } = this.#state;
    return listBoxes(directory, labels, (record) => isRunning(record, toBoxPaths(directory, record.id)));
  }

  async criuStatus(): Promise<CriuStatus> {
    return {
      available: false,
      reason: "Local boxes are processes of the host; their memory is not copied. Forks copy files (see forkStatus).",
    };
  }

  /** From a fork that was really made and read back, once per client (B4). */
  forkStatus(): Promise<ForkStatus> {
    this.#forkStatus ??= probeFork(this);
    return this.#forkStatus;
  }

  async restore(
    checkpointId: string,
    options: ForkBoxOptions & { readonly signal?: AbortSignal } = {},
  ): Promise<LocalBox> {
    const { directory } = this.#state;
    const checkpoint = await readReadyCheckpoint(directory, checkpointId);
    const source = toCheckpointPaths(directory, checkpointId);
    const signal = options.signal === undefined ? {} : { signal: options.signal };
    try {
      return await this.createFrom(
        checkpoint.spec,
        { labels: checkpoint.labels, ...options, parentId: checkpoint.boxId },
        async (paths) => {
          await copyTree(source.workspace, paths.workspace, signal);
          await copyTree(source.home, paths.home, signal);
        },
        checkpointId,
      );
    } catch (error) {
      throw toForkFailure(checkpointId, error);
    }
  }

  async listCheckpoints(labels?: Labels): Promise<CheckpointInfo[]> {
    const checkpoints = await listReadyCheckpoints(this.#state.directory, labels);
    return checkpoints.map(({ id, boxId, mode, labels: own, createdAt }) => ({
      id,
      boxId,
      mode,
      labels: own,
      createdAt,
    }));
  }

  /** One that is gone already is no error. */
  async deleteCheckpoint(checkpointId: string): Promise<void> {
    if ((await readCheckpointRecord(this.#state.directory, checkpointId)) === undefined) return;
    await removeTree(toCheckpointPaths(this.#state.directory, checkpointId).root, checkpointId);
  }

  /** Removes the boxes that a dead owner left and whose claim is over, and checkpoints that were never finished (B3). @returns the ids of the boxes */
  sweep(): Promise<readonly string[]> {
    return sweepBoxes(this.#state.directory);
  }

  /** Lets go of the boxes that this client holds: they go on until their claim is over. */
  async close(): Promise<void> {
    for (const box of this.#held) box.release();
    this.#held.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal Makes a box of any origin: on record first, then its files, then its process; whatever fails, nothing of it stays. */
  async createFrom(
    spec: BoxSpec,
    options: NewBox,
    fill: (paths: BoxPaths) => Promise<void>,
    from?: string,
  ): Promise<LocalBox> {
    const { directory, containment, accounts, limitsAvailable } = this.#state;
    const { signal } = options;
    if (signal?.aborted) throw toAbortError(signal);
    const id = createId("box");
    const door = this.#doors.choose(id, spec, options.gateway, options.parentId);
    const addressed = await this.#doors.address(spec, door, containment.contained);
    // A probe's boxes are gone at once, and it needs two.
    if (options.labels?.[PROBE_LABEL] === undefined) await this.#ceiling.take(id, signal);
    const paths = toBoxPaths(directory, id);
    const record: BoxRecord = {
      format: 1,
      id,
      ...(options.name === undefined ? {} : { name: options.name }),
      labels: options.labels ?? {},
      state: "creating",
      contained: containment.contained,
      createdAt: Date.now(),
      owner: ownIdentity(),
      spec: addressed,
      ...(from === undefined ? {} : { from }),
    };
    let box: LocalBox | undefined;
    try {
      await mkdir(paths.root, { recursive: true, mode: 0o700 });
      await writeRecord(paths.record, record);
      await fill(paths);
      await mkdir(paths.run);
      box = this.#open(record, paths);
      const process = await startBox({
        record,
        paths,
        accounts,
        limitsAvailable,
        ...(this.#state.cgroups === undefined ? {} : { cgroups: this.#state.cgroups }),
        ...(containment.filter === undefined ? {} : { filter: containment.filter }),
        client: box,
        ...(signal === undefined ? {} : { signal }),
      });
      box.hold();
      await writeRecord(paths.record, { ...record, state: "running", process });
      return box;
    } catch (error) {
      if (box !== undefined) this.#letGo(box);
      this.#ceiling.free(id);
      const failures: unknown[] = [];
      await endBox(id, undefined, paths)
        .then(() => removeBoxFolder(id, paths))
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
    box: LocalBox,
    options: CheckpointOptions,
  ): Promise<{ readonly checkpointId: string; readonly mode: "files" }> {
    const { directory } = this.#state;
    if (options.mode === "memory")
      throw new SandboxError(
        "checkpoint_failed",
        'A local box has no memory checkpoints; take one of its files (mode: "files").',
      );
    const record = await readBoxRecord(directory, box.id);
    if (record === undefined) throw new SandboxError("box_gone", `The box ${box.id} is gone.`);
    const checkpointId = await createCheckpoint(directory, box, record, options.tags ?? []);
    if (options.leaveRunning === false) await endBox(box.id, record, toBoxPaths(directory, box.id));
    return { checkpointId, mode: "files" };
  }

  async #remove(box: LocalBox): Promise<void> {
    const { directory } = this.#state;
    const paths = toBoxPaths(directory, box.id);
    const names = await readdir(paths.root).catch(() => undefined);
    if (names !== undefined) {
      await endBox(box.id, await readBoxRecord(directory, box.id), paths);
      await removeBoxFolder(box.id, paths);
    }
    this.#ceiling.free(box.id);
    this.#letGo(box);
  }

  #open(record: BoxRecord, paths: BoxPaths): LocalBox {
    const box = new LocalBox(
      {
        id: record.id,
        run: paths.run,
        claimMs: record.spec.claimMs,
        contained: record.contained,
        ...this.#doors.optionOf(record),
      },
      this.#owner,
    );
    this.#held.add(box);
    return box;
  }

  #letGo(box: LocalBox): void {
    box.release();
    this.#held.delete(box);
  }
}
