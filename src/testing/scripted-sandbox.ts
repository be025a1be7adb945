import type { SessionInfo } from "../agent/agent.ts";
import { SandboxError } from "../errors.ts";
import type { BoxEvent, EventBody } from "../event/event.ts";
import { throwIfAborted } from "../internal/abort.ts";
import type {
  Box,
  CheckpointMode,
  CheckpointOptions,
  CreateBoxOptions,
  ForkBoxOptions,
  ForkStatus,
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
  readonly method: "create" | "streamPrompt" | "status" | "checkpoint" | "fork" | "delete" | "forkStatus";
  readonly boxId?: string;
  readonly sessionId?: string | undefined;
  readonly detail?: unknown;
}

export interface ScriptedSandboxOptions {
  /** What an agent answers. Default: one text delta that repeats the prompt. */
  readonly agent?: (turn: ScriptedTurn) => AsyncIterable<EventBody> | Iterable<EventBody>;
  /** Which forks the probe says there are. Default: none, and no probe. */
  readonly modes?: readonly CheckpointMode[];
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
  readonly forkStatus?: () => Promise<ForkStatus>;

  constructor(options: ScriptedSandboxOptions) {
    this.#options = options;
    const { modes } = options;
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
    return this.makeBox(new Map());
  }

  makeBox(memory: ReadonlyMap<string, ScriptedMemory>): Box {
    const copies = [...memory].map(([id, { prompts }]): [string, ScriptedMemory] => [id, { prompts: [...prompts] }]);
    const box = new ScriptedBox(this, this.#options, `box-${++this.#boxes}`, this.#boxes, new Map(copies));
    this.alive.add(box.id);
    this.peak = Math.max(this.peak, this.alive.size);
    return box;
  }

  keepCheckpoint(id: string, memory: ReadonlyMap<string, ScriptedMemory>): void {
    this.#checkpoints.set(id, memory);
  }

  restoreFrom(checkpointId: string): Box {
    const memory = this.#checkpoints.get(checkpointId);
    if (memory === undefined) throw new SandboxError("checkpoint_unknown", `There is no checkpoint ${checkpointId}.`);
    return this.makeBox(memory);
  }
}

class ScriptedBox implements Box {
  readonly id: string;
  readonly #client: ScriptedClient;
  readonly #options: ScriptedSandboxOptions;
  readonly #number: number;
  readonly #memory: Map<string, ScriptedMemory>;
  #checkpoints = 0;
  readonly fork?: (checkpointId: string, options?: ForkBoxOptions) => Promise<Box>;
  readonly checkpoint?: (options?: CheckpointOptions) => Promise<{ checkpointId: string; mode: CheckpointMode }>;

  constructor(client: ScriptedClient, options: ScriptedSandboxOptions, id: string, number: number, memory: Map<string, ScriptedMemory>) {
    this.id = id;
    this.#client = client;
    this.#options = options;
    this.#number = number;
    this.#memory = memory;
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
      return client.restoreFrom(checkpointId);
    };
  }

  async *streamPrompt(prompt: string, { sessionId, turnId, signal }: PromptOptions = {}): AsyncGenerator<BoxEvent> {
    await this.#client.note({ method: "streamPrompt", boxId: this.id, sessionId, detail: { prompt } });
    throwIfAborted(signal);
    const memory = (sessionId === undefined ? undefined : this.#memory.get(sessionId)) ?? { prompts: [] };
    if (sessionId !== undefined) this.#memory.set(sessionId, memory);
    memory.prompts.push(prompt);
    const turn: ScriptedTurn = { boxId: this.id, prompt, memory, signal, boxNumber: this.#number };
    let seq = 0;
    for await (const body of this.#options.agent?.(turn) ?? [{ type: "text.delta" as const, text: prompt }]) {
      yield turnId === undefined ? body : { ...body, turn: { id: turnId, seq: ++seq } };
    }
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
    this.#client.alive.delete(this.id);
  }
}
