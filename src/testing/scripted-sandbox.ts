import type { SessionInfo } from "../agent/agent.ts";
import { SandboxError, ValidationError } from "../errors.ts";
import type { BoxEvent, EventBody } from "../event/event.ts";
import { raceAbort, throwIfAborted } from "../internal/abort.ts";
import type {
  Box,
  BoxInfo,
  CheckpointInfo,
  CheckpointMode,
  CheckpointOptions,
  CreateBoxOptions,
  ForkBoxOptions,
  ForkStatus,
  Labels,
  PromptOptions,
  SandboxClient,
} from "../sandbox/sandbox.ts";
import { createBlobRef } from "../store/blob-digest.ts";
import { ScriptedFiles } from "./scripted-files.ts";
import { ScriptedTurnLog } from "./scripted-turn.ts";

/** What a scripted agent remembers of one conversation; a fork gets a copy. @experimental */
export interface ScriptedMemory {
  readonly prompts: string[];
}

/** What a scripted agent is given. @experimental */
export interface ScriptedTurn {
  readonly boxId: string;
  readonly prompt: string;
  /** What the conversation holds, this prompt included. */
  readonly memory: ScriptedMemory;
  /** The workspace, in memory; a fork gets a copy. */
  readonly files: Pick<ScriptedFiles, "read" | "write" | "waitFor">;
  /** Fires when the turn is cancelled. */
  readonly signal: AbortSignal;
  /** How many boxes were made before this one, by creation or fork. */
  readonly boxNumber: number;
}

/** A call that a scripted client saw, in order. @experimental */
export interface ScriptedCall {
  readonly method:
    | "create"
    | "streamPrompt"
    | "status"
    | "checkpoint"
    | "fork"
    | "resumeTurn"
    | "attach"
    | "restore"
    | "deleteCheckpoint"
    | "importCheckpoint"
    | "delete"
    | "forkStatus";
  readonly boxId?: string;
  readonly sessionId?: string | undefined;
  readonly detail?: unknown;
}

/** What a scripted sandbox can do and what goes wrong in it. @experimental */
export interface ScriptedSandboxOptions {
  /** What an agent answers. Default: one text delta that repeats the prompt. */
  readonly agent?: (turn: ScriptedTurn) => AsyncIterable<EventBody> | Iterable<EventBody>;
  /** Which forks the probe says there are. Default: none, and no probe. */
  readonly modes?: readonly CheckpointMode[];
  /** What the ids of boxes begin with. Default `box`; where several sandboxes write to one log, each needs its own. */
  readonly idPrefix?: string;
  /** Whether a later process finds the boxes again (`attach`) and their turns (`resumeTurn`). Default false. */
  readonly attachable?: boolean;
  /** Whether checkpoints can be taken to another scripted sandbox: `exportCheckpoint`, `importCheckpoint`. Default false. */
  readonly travels?: boolean;
  /** Runs before each call: throw to make it fail, wait to make it slow. */
  readonly before?: (call: ScriptedCall) => void | Promise<void>;
}

/** A sandbox client whose boxes are scripts, with a record of every call and of the boxes that are alive. @experimental */
export interface ScriptedSandbox extends SandboxClient {
  readonly calls: readonly ScriptedCall[];
  readonly alive: ReadonlySet<string>;
  /** The most boxes that were alive at the same time. */
  readonly peak: number;
}

/**
 * A deterministic sandbox for tests: no process, no file, every call on record, faults where `before` throws.
 *
 * @experimental
 */
export function createScriptedSandbox(options: ScriptedSandboxOptions = {}): ScriptedSandbox {
  return new ScriptedClient(options);
}

/** What a box is made of, and what a checkpoint keeps of it. */
interface BoxState {
  readonly memory: ReadonlyMap<string, ScriptedMemory>;
  readonly files: ScriptedFiles;
}

function copyState({ memory, files }: BoxState): { memory: Map<string, ScriptedMemory>; files: ScriptedFiles } {
  const copies = [...memory].map(([id, { prompts }]): [string, ScriptedMemory] => [id, { prompts: [...prompts] }]);
  return { memory: new Map(copies), files: files.copy() };
}

const DIGEST_LENGTH = "sha256:".length + 64;

/** A checkpoint on its way to another scripted sandbox. */
interface ScriptedArchive {
  readonly info: CheckpointInfo;
  readonly memory: readonly (readonly [string, ScriptedMemory])[];
  /** Paths, and contents in base64. */
  readonly files: readonly (readonly [string, string])[];
}

class ScriptedClient implements ScriptedSandbox {
  readonly calls: ScriptedCall[] = [];
  readonly alive = new Set<string>();
  peak = 0;
  readonly #options: ScriptedSandboxOptions;
  readonly #checkpoints = new Map<string, { readonly state: BoxState; readonly info: CheckpointInfo }>();
  #boxes = 0;
  readonly #living = new Map<string, { readonly box: Box; readonly info: BoxInfo }>();
  readonly forkStatus?: () => Promise<ForkStatus>;
  readonly attach?: (boxId: string) => Promise<Box | null>;
  readonly list?: (labels?: Labels) => Promise<BoxInfo[]>;
  readonly restore?: (checkpointId: string, options?: ForkBoxOptions) => Promise<Box>;
  readonly listCheckpoints?: () => Promise<CheckpointInfo[]>;
  readonly deleteCheckpoint?: (checkpointId: string) => Promise<void>;
  readonly exportCheckpoint?: NonNullable<SandboxClient["exportCheckpoint"]>;
  readonly importCheckpoint?: NonNullable<SandboxClient["importCheckpoint"]>;

  constructor(options: ScriptedSandboxOptions) {
    this.#options = options;
    const { modes } = options;
    if (options.attachable === true) {
      this.attach = async (boxId) => {
        await this.note({ method: "attach", boxId });
        return this.#living.get(boxId)?.box ?? null;
      };
      this.list = async (wanted = {}) => {
        const fits = (labels: Labels): boolean =>
          Object.entries(wanted).every(([name, value]) => labels[name] === value);
        return [...this.#living.values()].map(({ info }) => info).filter(({ labels }) => fits(labels));
      };
    }
    if (modes !== undefined) {
      this.restore = async (checkpointId, restoreOptions) => {
        await this.note({ method: "restore", detail: { checkpointId } });
        return this.restoreFrom(checkpointId, restoreOptions);
      };
      this.listCheckpoints = async () => [...this.#checkpoints.values()].map(({ info }) => info);
      this.deleteCheckpoint = async (checkpointId) => {
        await this.note({ method: "deleteCheckpoint", detail: { checkpointId } });
        this.#checkpoints.delete(checkpointId);
      };
      this.forkStatus = async () => {
        await this.note({ method: "forkStatus" });
        return modes.length > 0 ? { available: true, modes } : { available: false, reason: "scripted to say no" };
      };
    }
    if (options.travels === true) {
      this.exportCheckpoint = async function* (this: ScriptedClient, checkpointId) {
        yield this.#exportCheckpoint(checkpointId);
      };
      this.importCheckpoint = async (bytes) => {
        await this.note({ method: "importCheckpoint" });
        const chunks: Uint8Array[] = [];
        for await (const chunk of bytes) chunks.push(chunk);
        const { id, mode } = this.#importCheckpoint(Buffer.concat(chunks));
        return { checkpointId: id, mode };
      };
    }
  }

  #exportCheckpoint(checkpointId: string): Uint8Array {
    const { state, info } = this.#find(checkpointId);
    const { memory, files } = state;
    const archive = JSON.stringify({ info, memory: [...memory], files: files.list() } satisfies ScriptedArchive);
    return Buffer.from(`${createBlobRef(Buffer.from(archive)).digest}${archive}`);
  }

  #importCheckpoint(bytes: Uint8Array): CheckpointInfo {
    const archive = Buffer.from(bytes.subarray(DIGEST_LENGTH));
    if (Buffer.from(bytes).toString("utf8", 0, DIGEST_LENGTH) !== createBlobRef(archive).digest)
      throw new SandboxError("checkpoint_damaged", "The bytes are not those of a scripted checkpoint.");
    const { info, memory, files: listed } = JSON.parse(archive.toString()) as ScriptedArchive;
    const files = new ScriptedFiles();
    for (const [path, base64] of listed) files.write(path, Buffer.from(base64, "base64"));
    this.#checkpoints.set(info.id, { info, state: { memory: new Map(memory), files } });
    return info;
  }

  #find(checkpointId: string): { readonly state: BoxState; readonly info: CheckpointInfo } {
    const checkpoint = this.#checkpoints.get(checkpointId);
    if (checkpoint !== undefined) return checkpoint;
    throw new SandboxError("checkpoint_unknown", `There is no checkpoint ${checkpointId}.`);
  }

  async note(call: ScriptedCall): Promise<void> {
    this.calls.push(call);
    await this.#options.before?.(call);
  }

  async create(options: CreateBoxOptions): Promise<Box> {
    const { signal, ...shown } = options;
    await this.note({ method: "create", detail: shown });
    throwIfAborted(signal);
    const { agent } = options.profile;
    if (typeof agent === "string" && agent !== "scripted" && !agent.includes("/"))
      throw new ValidationError("agent_unknown", `Nobody knows an agent ${agent}.`);
    const files = new ScriptedFiles();
    for (const file of options.files ?? []) {
      if (!("data" in file))
        throw new ValidationError(
          "invalid_option",
          `A scripted box has no host to copy ${file.from} from; give the data.`,
        );
      files.write(file.path, file.data);
    }
    return this.makeBox({ memory: new Map(), files }, options, agent);
  }

  makeBox(state: BoxState, { name, labels = {} }: ForkBoxOptions, agent?: unknown): Box {
    const box = new ScriptedBox(
      this,
      this.#options,
      `${this.#options.idPrefix ?? "box"}-${++this.#boxes}`,
      this.#boxes,
      copyState(state),
      agent,
    );
    this.alive.add(box.id);
    const info: BoxInfo = {
      id: box.id,
      ...(name === undefined ? {} : { name }),
      labels,
      state: "running",
      contained: true,
      createdAt: 0,
    };
    this.#living.set(box.id, { box, info });
    this.peak = Math.max(this.peak, this.alive.size);
    return box;
  }

  forget(boxId: string): void {
    this.alive.delete(boxId);
    this.#living.delete(boxId);
  }

  keepCheckpoint(id: string, boxId: string, mode: CheckpointMode, state: BoxState): void {
    this.#checkpoints.set(id, { state: copyState(state), info: { id, boxId, mode, labels: {}, createdAt: 0 } });
  }

  restoreFrom(checkpointId: string, options: ForkBoxOptions = {}): Box {
    return this.makeBox(this.#find(checkpointId).state, options);
  }
}

class ScriptedBox implements Box {
  readonly id: string;
  readonly #client: ScriptedClient;
  readonly #options: ScriptedSandboxOptions;
  readonly #number: number;
  readonly #memory: Map<string, ScriptedMemory>;
  readonly #files: ScriptedFiles;
  readonly #agent: unknown;
  readonly #turns = new Map<string, ScriptedTurnLog>();
  #latest: ScriptedTurnLog | undefined;
  #turnNumber = 0;
  #checkpoints = 0;
  #gone = false;
  readonly resumeTurn?: NonNullable<Box["resumeTurn"]>;
  readonly acknowledge?: NonNullable<Box["acknowledge"]>;
  readonly fork?: (checkpointId: string, options?: ForkBoxOptions) => Promise<Box>;
  readonly checkpoint?: (options?: CheckpointOptions) => Promise<{ checkpointId: string; mode: CheckpointMode }>;

  constructor(
    client: ScriptedClient,
    options: ScriptedSandboxOptions,
    id: string,
    number: number,
    state: { memory: Map<string, ScriptedMemory>; files: ScriptedFiles },
    agent: unknown,
  ) {
    this.id = id;
    this.#client = client;
    this.#options = options;
    this.#number = number;
    this.#memory = state.memory;
    this.#files = state.files;
    this.#agent = agent;
    if (options.attachable === true) {
      this.resumeTurn = (turnId, { after, signal }) => this.#resume(turnId, after, signal);
      this.acknowledge = async (turnId, through) => this.#turns.get(turnId)?.acknowledge(through);
    }
    const { modes } = options;
    if (modes === undefined) return;
    this.checkpoint = async ({ mode = modes[0] ?? "memory" } = {}) => {
      await client.note({ method: "checkpoint", boxId: id, detail: { mode } });
      if (this.#latest?.ended === false) throw new SandboxError("box_busy", `Box ${id} is in the middle of a turn.`);
      const checkpointId = `${id}-checkpoint-${++this.#checkpoints}`;
      client.keepCheckpoint(checkpointId, id, mode, { memory: this.#memory, files: this.#files });
      return { checkpointId, mode };
    };
    this.fork = async (checkpointId, forkOptions) => {
      await client.note({ method: "fork", boxId: id, detail: { checkpointId, name: forkOptions?.name } });
      return client.restoreFrom(checkpointId, forkOptions);
    };
  }

  async *streamPrompt(prompt: string, { sessionId, turnId, signal }: PromptOptions = {}): AsyncGenerator<BoxEvent> {
    await this.#client.note({ method: "streamPrompt", boxId: this.id, sessionId, detail: { prompt } });
    throwIfAborted(signal);
    const id = turnId ?? `${this.id}-turn-${++this.#turnNumber}`;
    const known = this.#turns.get(id);
    if (known !== undefined) return yield* known.read(0, signal);
    if (this.#gone) throw this.#goneError();
    const turn = new ScriptedTurnLog(id, this.id);
    const before = this.#latest;
    this.#latest = turn;
    this.#turns.set(id, turn);
    try {
      if (before?.ended === false) await raceAbort(before.over, signal);
      if (!turn.ended) this.#begin(turn, prompt, sessionId);
      yield* turn.read(0, signal);
    } finally {
      // Whoever leaves cancels; one that was killed leaves nothing.
      turn.cancel(new SandboxError("aborted", `The turn ${id} was cancelled.`));
    }
  }

  #begin(turn: ScriptedTurnLog, prompt: string, sessionId: string | undefined): void {
    const memory = (sessionId === undefined ? undefined : this.#memory.get(sessionId)) ?? { prompts: [] };
    if (sessionId !== undefined) this.#memory.set(sessionId, memory);
    memory.prompts.push(prompt);
    const { agent } = this.#options;
    if (typeof this.#agent === "string" && this.#agent.includes("/")) {
      turn.end({ failure: new SandboxError("agent_not_found", `There is no program ${this.#agent} in the box.`) });
    } else if (agent === undefined) {
      turn.take([{ type: "text.delta", text: prompt }]);
    } else {
      turn.take(
        agent({ boxId: this.id, prompt, memory, files: this.#files, signal: turn.signal, boxNumber: this.#number }),
      );
    }
  }

  async *#resume(turnId: string, after: number, signal: AbortSignal | undefined): AsyncGenerator<BoxEvent> {
    await this.#client.note({ method: "resumeTurn", boxId: this.id, detail: { turnId, after } });
    const turn = this.#turns.get(turnId);
    if (turn === undefined)
      throw new SandboxError("turn_unknown", `The box ${this.id} does not know the turn ${turnId}.`);
    yield* turn.read(after, signal);
  }

  session(id: string): { status(): Promise<SessionInfo | null> } {
    return {
      status: async () => {
        await this.#client.note({ method: "status", boxId: this.id, sessionId: id });
        const memory = this.#memory.get(id);
        return memory === undefined ? null : { id, turns: memory.prompts.length };
      },
    };
  }

  async readFile(path: string): Promise<Uint8Array> {
    return this.#files.read(path);
  }

  async writeFile(path: string, data: string | Uint8Array): Promise<void> {
    this.#files.write(path, data);
  }

  async delete(): Promise<void> {
    await this.#client.note({ method: "delete", boxId: this.id });
    this.#gone = true;
    for (const turn of this.#turns.values()) turn.cancel(this.#goneError());
    this.#client.forget(this.id);
  }

  #goneError(): SandboxError {
    return new SandboxError("box_gone", `Box ${this.id} was deleted.`);
  }
}
