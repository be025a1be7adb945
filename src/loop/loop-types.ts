import type { AgentProfile } from "../agent/agent.ts";
import type { ErrorDetail, LoopLimits, RunStatus, StoredEvent, Usage } from "../event/event.ts";
import type { Redactor } from "../event/redaction/redactor.ts";
import type { Box, CreateBoxOptions, SandboxClient } from "../sandbox/sandbox.ts";
import type { SessionStore } from "../store/session-store.ts";

/** Which agent works on a task, and in what box. @stable */
export interface AgentRunSpec<Task> {
  /** Default: the profile's name. */
  readonly name?: string;
  readonly profile: AgentProfile;
  /** Pure: the same task gives the same prompt. */
  taskToPrompt(task: Task): string;
  /** What a fresh box is made of. A forked box inherits from its parent instead. */
  readonly box?: Partial<CreateBoxOptions>;
}

/** Makes the output of an iteration from its events alone, so that a resumed loop derives it from the log. @stable */
export interface OutputAdapter<Output> {
  parse(events: readonly StoredEvent[]): Output;
}

/** What a validator says of an output. `score` is any finite number, higher is better. @stable */
export interface Verdict {
  readonly valid: boolean;
  readonly score: number;
  readonly scores?: Readonly<Record<string, number>>;
  readonly notes?: string;
}

export interface ValidatorContext {
  /** The iteration's index, from 0. */
  readonly iteration: number;
  /** The box is still alive. */
  readonly box: Box;
  readonly signal: AbortSignal;
  /** What judging has spent: it is recorded in the loop's log and counts for its usage and its budget, also where no verdict comes of it. */
  readonly reportUsage?: (usage: Usage & { readonly model?: string }) => void;
}

/** @stable */
export interface Validator<Output> {
  readonly name?: string;
  validate(output: Output, context: ValidatorContext): Verdict | Promise<Verdict>;
}

/** One task executed in one box. @stable */
export interface Iteration<Task, Output> {
  /** From 0, over all rounds. */
  readonly index: number;
  readonly round: number;
  /** The iteration it descends from, where it does. */
  readonly parentIndex?: number;
  readonly task: Task;
  readonly agentRunName: string;
  readonly output?: Output;
  readonly verdict?: Verdict;
  /** What the agent, the box, the output adapter or the validator threw. */
  readonly error?: ErrorDetail;
  readonly events: readonly StoredEvent[];
  readonly usage: Usage;
  /** The session that holds its events. */
  readonly sessionId: string;
  readonly boxId?: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number;
}

/** @stable */
export interface LoopWinner<Task, Output> {
  readonly iterationIndex: number;
  readonly agentRunName: string;
  readonly task: Task;
  readonly output: Output;
  readonly verdict?: Verdict;
}

/**
 * The next tasks. `[]` means that there is nothing more to do: `decide` is asked once more and the loop ends.
 * An array of parents names one for each task; tasks of one parent are forked from it, a lone one continues it.
 * @stable
 */
export type Plan<Task> =
  | readonly Task[]
  | {
      readonly tasks: readonly Task[];
      readonly parentIndex?: number | readonly number[];
      /** Iterations that later rounds may still descend from; all other boxes go. */
      readonly keep?: readonly number[];
      /** Default `all`. `first-valid`: the first valid verdict aborts the round's other iterations. */
      readonly endWhen?: "all" | "first-valid";
      readonly rationale?: string;
    };

/**
 * The policy of a loop. It keeps no state but the history that it is given, so that a loop can be taken up from its log.
 * Tasks and decisions are JSON.
 * @stable
 */
export interface Driver<Task, Output, Decision> {
  readonly name?: string;
  /** Its samples must not share anything: lineage flags are refused. */
  readonly independent?: true;
  /** It names parents, so no box may be deleted unless a plan says which to `keep`. */
  readonly namesParents?: boolean;
  plan(
    task: Task,
    history: readonly Iteration<Task, Output>[],
    context: { readonly signal: AbortSignal },
  ): Plan<Task> | Promise<Plan<Task>>;
  /** `stop`, `done`, `pick-winner` and `fail` end the loop; any other word goes on. */
  decide(
    history: readonly Iteration<Task, Output>[],
    context: { readonly signal: AbortSignal },
  ): Decision | Promise<Decision>;
  selectWinner?(history: readonly Iteration<Task, Output>[]): LoopWinner<Task, Output> | undefined;
}

/** What rounds may share. All off by default: k samples are then k independent samples. @experimental */
export interface LoopLineageOptions {
  /** A lone task goes on in its parent's box and conversation. */
  readonly sessionContinuity?: boolean;
  /**
   * Several tasks of one parent fork its live box: memory and files where the client can, else files, else fresh boxes. `memory` accepts nothing but
   * memory or fresh. A forked branch inherits image and profile from its parent. Several live boxes are held at once.
   */
  readonly forkFanout?: boolean | "memory";
  /** Default `when-forked`. `every-round` takes a checkpoint at each round's end, on clients that can fork; those outlive the loop. */
  readonly checkpoints?: "when-forked" | "every-round";
  /**
   * Default false. Each checkpoint is also put into the store, on clients that can give it away, so that the loop can go on from it on another
   * machine. It stays there until the session is deleted, with whatever lies in the box's files, which nothing redacts.
   */
  readonly checkpointsTravel?: boolean;
}

/** What a loop may spend. Looked at before each iteration: the overshoot is at most what is in flight. @stable */
export type LoopBudget = NonNullable<LoopLimits["budget"]>;

/** @stable */
export interface RunLoopOptions<Task, Output, Decision> {
  readonly task: Task;
  /** What a loop works on and gives comes from its task and its output adapter; a driver fits itself to them. */
  readonly driver: Driver<NoInfer<Task>, NoInfer<Output>, Decision>;
  /** Exactly one of `agentRun` and `agentRuns`; several are dealt round-robin. */
  readonly agentRun?: AgentRunSpec<Task>;
  readonly agentRuns?: readonly AgentRunSpec<Task>[];
  readonly output: OutputAdapter<Output>;
  readonly validator?: Validator<NoInfer<Output>>;
  readonly sandboxClient: SandboxClient;
  /** Default: a memory store that lives as long as the call. */
  readonly store?: SessionStore;
  readonly sessionId?: string;
  /**
   * A new run in the session `sessionId`, which goes on where an earlier run stopped. It asks nobody for what the log holds: finished iterations,
   * verdicts and decisions come from there; an iteration that was under way goes on in its box where that still lives. Default false.
   */
  readonly resume?: boolean;
  /** What becomes of an iteration that should go on in a box that is lost and has no checkpoint. Default `fail`: `conversation_gone`. */
  readonly onLostBox?: "fail" | "fresh";
  /** Resume although the driver, the agent runs or the validator are not those of the log. Default false: `loop_changed`. */
  readonly allowChanged?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Over all rounds. Default 10; a round that is larger than what is left is cut, and that is recorded. */
  readonly maxIterations?: number;
  /** Iterations that hold a box at the same time. Default 4. */
  readonly maxConcurrency?: number;
  readonly budget?: LoopBudget;
  readonly lineage?: LoopLineageOptions;
  /** Each finished box stays alive until the loop ends and is handed here; `undefined` when all were deleted. Not together with a lineage flag. */
  onWorkerBox?(box: Box | undefined): void;
  selectWinner?(iterations: readonly Iteration<Task, Output>[]): LoopWinner<Task, Output> | undefined;
  /** Hears every stored event of the loop and of its iterations (their `sessionId` tells them apart). */
  onEvent?(event: StoredEvent): void;
  /** Default: the built-in redactor with the secrets of this process's environment. */
  readonly redact?: Redactor | false;
  /** Milliseconds since the epoch. Default: the system's clock. */
  now?(): number;
}

/** @stable */
export interface LoopResult<Task, Output, Decision> {
  readonly sessionId: string;
  readonly runId: string;
  /** `failed` with reason `no_valid_output` when a validator accepted nothing, and on the decision `fail`; the winner is there all the same. */
  readonly status: RunStatus;
  readonly reason: string;
  readonly decision?: Decision;
  readonly iterations: readonly Iteration<Task, Output>[];
  readonly winner?: LoopWinner<Task, Output>;
  readonly usage: Usage;
  readonly durationMs: number;
}
