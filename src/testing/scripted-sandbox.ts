import type { SessionInfo } from "../agent/agent.ts";
import { SandboxError } from "../errors.ts";
import type { BoxEvent, EventBody } from "../event/event.ts";
import { throwIfAborted } from "../internal/abort.ts";
import type {
  Box,
  BoxInfo,
  CheckpointMode,
  CheckpointOptions,
  CreateBoxOptions,
  ForkBoxOptions,
  ForkStatus,
  Labels,
  PromptOptions,
  SandboxClient,
} from "../sandbox/sandbox.ts";

/** What a scripted agent remembers of one conversation; a fork gets a copy. */
export interface ScriptedMemory {
  readonly prompts: string[];
}

export interface ScriptedTurn {
  readonly boxId: string;
  readonly prompt: string;
  /** What the conversation holds, this prompt included. */
  readonly memory: ScriptedMemory;
  readonly signal: AbortSignal | undefined;
  /** How many boxes were made before this one, by creation or fork. */
  readonly boxNumber: number;
}

/** A call that a scripted client saw, in order. */
export interface ScriptedCall {
  readonly method: "create" | "streamPrompt" | "status" | "checkpoint" | "fork" | "resumeTurn" | "attach" | "restore" | "deleteCheckpoint" | "delete" | "forkStatus";
  readonly boxId?: string;
  readonly sessionId?: string | undefined;
  readonly detail?: unknown;
}

export interface ScriptedSandboxOptions {
  /** What an agent answers. Default: one text delta that repeats the prompt. */
  readonly agent?: (turn: ScriptedTurn) => AsyncIterable<EventBody> | Iterable<EventBody>;
  /** Which forks the probe says there are. Default: none, and no probe. */
  readonly modes?: readonly CheckpointMode[];
  /** Whether a later process finds the boxes again (`attach`) and their turns (`resumeTurn`). Default false. */
  readonly attachable?: boolean;
  /** Runs before each call: throw to make it fail, wait to make it slow. */
  readonly before?: (call: ScriptedCall) => void | Promise<void>;
}

/** A sandbox client whose boxes are scripts, with a record of every call and of the boxes that are alive. */
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

class ScriptedClient implements ScriptedSandbox {
  readonly calls: ScriptedCall[] = [];
  readonly alive = new Set<string>();
  peak = 0;
  readonly #options: ScriptedSandboxOptions;
  readonly #checkpoints = new Map<string, ReadonlyMap<string, ScriptedMemory>>();
  #boxes = 0;
  readonly #living = new Map<string, Box>();
  readonly forkStatus?: () => Promise<ForkStatus>;
  readonly attach?: (boxId: string) => Promise<Box | null>;
  readonly restore?: NonNullable<SandboxClient["restore"]>;
  readonly deleteCheckpoint?: (checkpointId: string) => Promise<void>;
  readonly list?: (labels?: Labels) => Promise<BoxInfo[]>;
  readonly #labels = new Map<string, Labels>();

  constructor(options: ScriptedSandboxOptions) {
    this.#options = options;
    const { modes } = options;
    if (modes !== undefined) {
      this.restore = async (checkpointId, restoreOptions) => {
        await this.note({ method: "restore", detail: { checkpointId } });
        return this.restoreFrom(checkpointId, restoreOptions?.labels);
      };
      this.deleteCheckpoint = async (checkpointId) => {
        await this.note({ method: "deleteCheckpoint", detail: { checkpointId } });
        this.#checkpoints.delete(checkpointId);
      };
    }
    if (options.attachable === true) {
      this.attach = async (boxId) => {
        await this.note({ method: "attach", boxId });
        return this.#living.get(boxId) ?? null;
      };
      this.list = async (wanted = {}) => {
        const fits = (labels: Labels): boolean => Object.entries(wanted).every(([name, value]) => labels[name] === value);
        const found = [...this.#living.keys()].map((id) => ({ id, labels: this.#labels.get(id) ?? {} }));
        return found.filter(({ labels }) => fits(labels)).map((info) => ({ ...info, state: "running", contained: true, createdAt: 0 }));
      };
    }
    if (modes !== undefined) {
      this.forkStatus = async () => {
        await this.note({ method: "forkStatus" });
        return modes.length > 0 ? { available: true, modes } : { available: false, reason: "scripted to say no" };
      };
    }
  }

  async note(call: ScriptedCall): Promise<void> {
    this.calls.push(call);
    await this.#options.before?.(call);
  }

  async create(options: CreateBoxOptions): Promise<Box> {
    const { signal, ...shown } = options;
    await this.note({ method: "create", detail: shown });
    throwIfAborted(signal);
    return this.makeBox(new Map(), options.labels);
  }

  makeBox(memory: ReadonlyMap<string, ScriptedMemory>, labels: Labels = {}): Box {
    const copies = [...memory].map(([id, { prompts }]): [string, ScriptedMemory] => [id, { prompts: [...prompts] }]);
    const box = new ScriptedBox(this, this.#options, `box-${++this.#boxes}`, this.#boxes, new Map(copies));
    this.alive.add(box.id);
    this.#living.set(box.id, box);
    this.#labels.set(box.id, labels);
    this.peak = Math.max(this.peak, this.alive.size);
    return box;
  }

  forget(boxId: string): void {
    this.alive.delete(boxId);
    this.#living.delete(boxId);
  }

  keepCheckpoint(id: string, memory: ReadonlyMap<string, ScriptedMemory>): void {
    this.#checkpoints.set(id, memory);
  }

  restoreFrom(checkpointId: string, labels: Labels | undefined): Box {
    const memory = this.#checkpoints.get(checkpointId);
    if (memory === undefined) throw new SandboxError("checkpoint_unknown", `There is no checkpoint ${checkpointId}.`);
    return this.makeBox(memory, labels);
  }
}

class ScriptedBox implements Box {
  readonly id: string;
  readonly #client: ScriptedClient;
  readonly #options: ScriptedSandboxOptions;
  readonly #number: number;
  readonly #memory: Map<string, ScriptedMemory>;
  /** What the agent answered, by turn. */
  readonly #turns = new Map<string, BoxEvent[]>();
  #checkpoints = 0;
  readonly resumeTurn?: NonNullable<Box["resumeTurn"]>;
  readonly fork?: (checkpointId: string, options?: ForkBoxOptions) => Promise<Box>;
  readonly checkpoint?: (options?: CheckpointOptions) => Promise<{ checkpointId: string; mode: CheckpointMode }>;

  constructor(client: ScriptedClient, options: ScriptedSandboxOptions, id: string, number: number, memory: Map<string, ScriptedMemory>) {
    this.id = id;
    this.#client = client;
    this.#options = options;
    this.#number = number;
    this.#memory = memory;
    if (options.attachable === true) {
      this.resumeTurn = (turnId, { after }) => this.#replay(turnId, after);
    }
    if (options.modes === undefined) return;
    this.checkpoint = async ({ mode = "memory" } = {}) => {
      await client.note({ method: "checkpoint", boxId: id, detail: { mode } });
      const checkpointId = `${id}-checkpoint-${++this.#checkpoints}`;
      const copies = [...this.#memory].map(([key, { prompts }]): [string, ScriptedMemory] => [key, { prompts: [...prompts] }]);
      client.keepCheckpoint(checkpointId, new Map(copies));
      return { checkpointId, mode };
    };
    this.fork = async (checkpointId, forkOptions) => {
      await client.note({ method: "fork", boxId: id, detail: { checkpointId, name: forkOptions?.name } });
      return client.restoreFrom(checkpointId, forkOptions?.labels);
    };
  }

  async *streamPrompt(prompt: string, { sessionId, turnId, signal }: PromptOptions = {}): AsyncGenerator<BoxEvent> {
    await this.#client.note({ method: "streamPrompt", boxId: this.id, sessionId, detail: { prompt } });
    throwIfAborted(signal);
    const memory = (sessionId === undefined ? undefined : this.#memory.get(sessionId)) ?? { prompts: [] };
    if (sessionId !== undefined) this.#memory.set(sessionId, memory);
    memory.prompts.push(prompt);
    const turn: ScriptedTurn = { boxId: this.id, prompt, memory, signal, boxNumber: this.#number };
    const kept: BoxEvent[] = [];
    if (turnId !== undefined) this.#turns.set(turnId, kept);
    const answer = this.#options.agent?.(turn) ?? [{ type: "text.delta" as const, text: prompt }];
    const mark = (body: EventBody): BoxEvent => (turnId === undefined ? body : { ...body, turn: { id: turnId, seq: kept.length + 1 } });
    // An agent that answers at once has answered, whoever still listens.
    if (Symbol.iterator in answer) {
      for (const body of answer) kept.push(mark(body));
      yield* kept;
      return;
    }
    for await (const body of answer) {
      const event = mark(body);
      kept.push(event);
      yield event;
    }
  }

  async *#replay(turnId: string, after: number): AsyncGenerator<BoxEvent> {
    await this.#client.note({ method: "resumeTurn", boxId: this.id, detail: { turnId, after } });
    const kept = this.#turns.get(turnId);
    if (kept === undefined) throw new SandboxError("turn_unknown", `The box ${this.id} does not know the turn ${turnId}.`);
    yield* kept.slice(after);
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

  async delete(): Promise<void> {
    await this.#client.note({ method: "delete", boxId: this.id });
    this.#client.forget(this.id);
  }
}
