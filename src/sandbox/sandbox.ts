import type { AgentProfile, SessionInfo } from "../agent/agent.ts";
import type { BoxEvent } from "../event/event.ts";
import type { BoxGateway, CallAllowance } from "./box-gateway.ts";

/**
 * The port of the sandboxes. A client makes boxes, each a running sandbox with an agent in it.
 *
 * - Optional methods are capabilities: where one is missing the kernel degrades and records that, or refuses by a typed error.
 * - Ids, names and labels of boxes come from the host, never from inside a box.
 * - A box is on record before it exists, and outlives the process that made it until its claim is over (B3, B5).
 * - Nothing in the files that a box made is followed on the host: symbolic links in a workspace are data.
 */
export interface SandboxClient {
  /**
   * Makes a box and resolves when its agent can be prompted.
   * @throws SandboxError `box_quota` where the provider makes no more boxes for now; `box_create_failed` (`retryable` says whether a later try may do); ValidationError for options that cannot be met
   */
  create(options: CreateBoxOptions): Promise<Box>;
  /** The box as it is now, or null where it is gone. */
  attach?(boxId: string): Promise<Box | null>;
  /** Boxes that are on record, also those that others made. */
  list?(labels?: Labels): Promise<BoxInfo[]>;
  /** Can a live process be forked, memory and all? Answered from a fork that was really made (B4). */
  criuStatus?(): Promise<CriuStatus>;
  /** The wider question, asked first where it exists. */
  forkStatus?(): Promise<ForkStatus>;
  /** Like `Box.fork`, also after the box is gone. */
  restore?(checkpointId: string, options?: ForkBoxOptions & { readonly signal?: AbortSignal }): Promise<Box>;
  listCheckpoints?(labels?: Labels): Promise<CheckpointInfo[]>;
  deleteCheckpoint?(checkpointId: string): Promise<void>;
  /**
   * A checkpoint as bytes from which `importCheckpoint` makes the same one on another machine, under the same id. How its box was made is not in
   * them: keys that the agent was given stay here. What lies in its files does travel.
   * @throws SandboxError `checkpoint_unknown`, `checkpoint_failed`
   */
  exportCheckpoint?(checkpointId: string): AsyncIterable<Uint8Array>;
  /**
   * Takes in what `exportCheckpoint` gave elsewhere, once it is certain that boxes of this client can go on from it. It is there whole, or not at
   * all; one that is here already stays as it is.
   *
   * @param options how the boxes are made that are made of it; its files, name and labels are the checkpoint's own
   * @throws SandboxError `checkpoint_incompatible`, `checkpoint_damaged`, `checkpoint_failed`; what the bytes throw
   */
  importCheckpoint?(
    bytes: AsyncIterable<Uint8Array>,
    options: CreateBoxOptions,
  ): Promise<{ readonly checkpointId: string; readonly mode: CheckpointMode }>;
}

export type Labels = Readonly<Record<string, string>>;

export interface CriuStatus {
  readonly available: boolean;
  readonly version?: string;
  readonly reason?: string;
}

export interface ForkStatus {
  readonly available: boolean;
  readonly modes?: readonly CheckpointMode[];
  readonly reason?: string;
}

/** `memory`: files and memory of one instant. `files`: files alone; processes start again. */
export type CheckpointMode = "memory" | "files";

export interface CreateBoxOptions {
  readonly profile: AgentProfile;
  /** The file system to start from, in the provider's own words. Default: the provider's. */
  readonly image?: string;
  /** What lies in the workspace before the agent starts. */
  readonly files?: readonly BoxFile[];
  /** Environment of the agent. Nothing else of the host's is passed on, except what names the language and the time zone. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default `none`. A provider that cannot keep the network out says so in its capabilities. */
  readonly network?: "none" | "host";
  /**
   * The box's way to models, and to hosts that are allowed by name, also where it has no network. Default: the client's own, where it was given one.
   * A box keeps its way for as long as this client holds it; one that is attached, or made from a checkpoint by another client, gets that client's.
   */
  readonly gateway?: BoxGateway;
  readonly limits?: BoxLimits;
  readonly labels?: Labels;
  /** For people. */
  readonly name?: string;
  /** Milliseconds that the box lives on without hearing of a client. Default 600,000. */
  readonly claimMs?: number;
  readonly signal?: AbortSignal;
}

/** Something that is put into the workspace at the box's start. `path` is relative to the workspace; one that leads out of it is `box_path`. */
export type BoxFile =
  | { readonly path: string; readonly data: string | Uint8Array; readonly mode?: number }
  /** A file or folder of the host, copied as it is; symbolic links are copied as links and never followed. */
  | { readonly path: string; readonly from: string };

export interface BoxLimits {
  /** Cores; fractions are allowed. */
  readonly cpu?: number;
  /**
   * Of the box as a whole, where its provider can. A kernel that keeps it ends processes in the box; where it is measured everything in the box is
   * ended past it, and whatever is asked of it fails with `box_memory_full`. The same holds for `pids`.
   */
  readonly memoryMb?: number;
  readonly pids?: number;
  /** What the box may hold on the disk. Past it everything in the box is ended, and whatever is asked of it fails with `box_disk_full`. */
  readonly diskMb?: number;
}

export interface PromptOptions {
  /** The conversation. Default: one of its own for every prompt. */
  readonly sessionId?: string;
  /** Chosen and stored before the prompt is sent; an id that the box has seen is not a second prompt (B5). Default: a new one. */
  readonly turnId?: string;
  readonly signal?: AbortSignal;
  /** What the turn's model calls may take, where a gateway meters them. Default: what the gateway itself allows. */
  readonly allowance?: CallAllowance;
}

/** How a turn is gone on with. */
export interface ResumeTurnOptions {
  /** The last event that the caller has; 0: none. */
  readonly after: number;
  readonly signal?: AbortSignal;
  readonly allowance?: CallAllowance;
}

/**
 * A running sandbox with an agent in it. One turn at a time; a second prompt waits for the first.
 */
export interface Box {
  readonly id: string;
  /**
   * Sends a prompt and yields the turn's events, numbered from 1 (`turn.seq`), until the turn ends. The last events of a turn that changed the
   * workspace are an `artifact.created` named `workspace.patch`. A turn that fails throws a BackendError or SandboxError after its events.
   * Leaving the iterator, or the signal, cancels the turn.
   */
  streamPrompt(prompt: string, options?: PromptOptions): AsyncIterable<BoxEvent>;
  /** Goes on inside a turn, from the event after `after`; events that were made meanwhile come once and in order. @throws SandboxError `turn_unknown` */
  resumeTurn?(turnId: string, options: ResumeTurnOptions): AsyncIterable<BoxEvent>;
  /**
   * Lets go of the box without ending what runs in it: its turn goes on, and an iterator over it ends with SandboxError `turn_detached`. Whoever
   * attaches before the claim is over reads on by `resumeTurn`. A client that is closed does this with every box that it holds.
   */
  detach?(): void;
  /** The caller has stored the turn's events up to `through`; the box may forget them. */
  acknowledge?(turnId: string, through: number): Promise<void>;
  /**
   * A person's answer to a `permission.requested` of the running turn, where the profile's `permissions` is `ask`; from any process.
   * @throws ValidationError `permission_unknown`, `invalid_option` for an option that the question does not have
   */
  answer?(requestId: string, answer: PermissionAnswer): Promise<void>;
  /** Asks the agent, not a table, what it still knows of a conversation; null: nothing. */
  session?(id: string): { status(): Promise<SessionInfo | null> };
  /** The box's state at one instant, which outlives the box. @throws SandboxError `checkpoint_failed`, `box_busy` */
  checkpoint?(options?: CheckpointOptions): Promise<{ readonly checkpointId: string; readonly mode?: CheckpointMode }>;
  /** A new box from a checkpoint of this one. @throws SandboxError `fork_failed`, `checkpoint_unknown` */
  fork?(checkpointId: string, options?: ForkBoxOptions): Promise<Box>;
  exec?(command: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** Relative to the workspace. @throws SandboxError `box_path` */
  readFile?(path: string): Promise<Uint8Array>;
  writeFile?(path: string, data: string | Uint8Array): Promise<void>;
  /** Ends everything in it and removes what it kept. A box that is gone already is no error. @throws SandboxError `box_delete_failed` */
  delete(): Promise<void>;
}

export interface PermissionAnswer {
  /** One of the question's options. Absent: it is turned down. */
  readonly optionId?: string;
  /** Who said so; it is stored with the answer. */
  readonly by: string;
}

export interface CheckpointOptions {
  /** Default: the best that the provider has. */
  readonly mode?: CheckpointMode;
  /** Default true. */
  readonly leaveRunning?: boolean;
  readonly tags?: readonly string[];
}

export interface ForkBoxOptions {
  readonly name?: string;
  readonly labels?: Labels;
}

export interface ExecOptions {
  /** Relative to the workspace. Default: the workspace. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Default 600,000. */
  readonly timeoutMs?: number;
  /** Per output; more ends the command. Default 10 MiB. */
  readonly maxOutputBytes?: number;
  readonly signal?: AbortSignal;
}

export interface ExecResult {
  /** 124 when the time was over, 137 when it was killed otherwise, 126 when it could not be started, 127 when there is no such program. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut?: boolean;
  readonly truncated?: boolean;
}

export interface BoxInfo {
  readonly id: string;
  readonly name?: string;
  readonly labels: Labels;
  readonly state: "creating" | "running" | "dead";
  readonly contained: boolean;
  readonly createdAt: number;
}

export interface CheckpointInfo {
  readonly id: string;
  readonly boxId: string;
  readonly mode: CheckpointMode;
  readonly labels: Labels;
  readonly createdAt: number;
  /** Bytes on disk, where known. */
  readonly size?: number;
}
