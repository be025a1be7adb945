import type { InterruptionReason } from "../interrupted-run.ts";
import type { InterruptedAt } from "../open-run-reading.ts";
import type { RunState } from "../run-state.ts";
import type { ImportedSession, NamedSession } from "../session-store.ts";
import type { ByteStreamAnswer, ByteStreamRequest } from "./byte-stream-commands.ts";
import type { SqliteFailure } from "./sqlite-binding.ts";

/** What the main thread asks the writer's thread to do. The commands of one message go into one transaction, in their order. */
export type SqliteCommand =
  | AppendCommand
  | PutPartCommand
  | { readonly kind: "create"; readonly session: NamedSession; readonly now: number }
  | BeginCommand
  | OpenWriterCommand
  | { readonly kind: "close-writer"; readonly key: number; readonly epoch: number }
  | CloseRunCommand
  | ForkCommand
  | { readonly kind: "delete"; readonly id: string }
  | { readonly kind: "sweep" }
  | PutBlobCommand
  | { readonly kind: "begin-import" }
  | { readonly kind: "import-segments"; readonly key: number; readonly segments: readonly SegmentText[] }
  | ImportPartCommand
  | EndImportCommand
  | { readonly kind: "abandon-import"; readonly key: number }
  | { readonly kind: "byte-stream"; readonly request: ByteStreamRequest };

export interface PutBlobCommand {
  readonly kind: "put-blob";
  readonly digest: string;
  readonly bytes: Uint8Array;
  /** The key of the log that it came in with, which keeps it from then on. */
  readonly importKey?: number;
}

export interface AppendCommand {
  readonly kind: "append";
  readonly key: number;
  readonly epoch: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** None is longer than a segment should be, unless one event is. */
  readonly segments: readonly SegmentText[];
  /** Present where the events changed it. */
  readonly state?: RunState;
  readonly at: number;
  readonly digests: readonly string[];
}

/** Events that stand in one row, packed. */
export interface SegmentText {
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** The run of the first event. */
  readonly run: string;
  /** The time of the first event, and of the last. */
  readonly at: number;
  readonly endsAt: number;
  readonly text: string;
  /** Present where the event was stored in parts before; `text` is empty then. */
  readonly large?: { readonly parts: number; readonly bytes: number };
}

/** One part of a large event, ahead of the append that makes it part of the log. */
export interface PutPartCommand {
  readonly kind: "put-part";
  readonly key: number;
  readonly epoch: number;
  readonly seq: number;
  readonly part: number;
  readonly text: string;
}

export interface OpenWriterCommand {
  readonly kind: "open-writer";
  readonly id: string;
  readonly owner: string;
  readonly leaseMs: number;
  readonly takeOver: boolean;
  /**
   * How an open run would be closed. Without it (or where the log went on since) nothing is done and the answer is `changed`,
   * unless `fenceFirst` is set: the writer is opened then, and closes the run itself.
   */
  readonly interrupted?: InterruptedAt;
  readonly fenceFirst: boolean;
}

/** Makes a session that begins with a segment, and its writer. */
export interface BeginCommand {
  readonly kind: "begin";
  readonly session: NamedSession;
  readonly owner: string;
  readonly leaseMs: number;
  readonly segment: SegmentText;
  readonly state: RunState;
  readonly at: number;
  readonly digests: readonly string[];
  /** The writer that has to be live. */
  readonly under?: { readonly key: number; readonly epoch: number };
}

/** True for what makes a writer, and with it a lease. */
export function isOpening(command: SqliteCommand): command is BeginCommand | OpenWriterCommand {
  return command.kind === "begin" || command.kind === "open-writer";
}

export interface CloseRunCommand extends InterruptedAt {
  readonly kind: "close-run";
  readonly id: string;
}

export interface ForkCommand {
  readonly kind: "fork";
  readonly parentKey: number;
  readonly atSeq: number;
  readonly session: NamedSession;
  readonly state: RunState;
  /** The `final` of a run that was open at the position: the fork's first own event. */
  readonly own?: SegmentText;
  readonly now: number;
}

/** One part of a large event of a log that comes in from another store. */
export interface ImportPartCommand {
  readonly kind: "import-part";
  readonly key: number;
  readonly seq: number;
  readonly part: number;
  readonly text: string;
}

/** Makes a session of a log that came in. */
export interface EndImportCommand {
  readonly kind: "end-import";
  readonly key: number;
  readonly session: ImportedSession;
  readonly state: RunState;
  readonly lastSeq: number;
  readonly updatedAt: number;
  /** How many segments the log has. */
  readonly segments: number;
  readonly digests: readonly string[];
}

/** Answers. A refusal is an answer; only a failure of the database itself is an error. */
export type CommandResult =
  | { readonly is: "done" }
  | { readonly is: "fenced"; readonly why: "taken_over" | "lease_over" }
  | { readonly is: "exists" | "unknown" | "changed" | "alive" }
  | { readonly is: "busy"; readonly owner: string }
  | { readonly is: "in-use"; readonly users: readonly string[] }
  | {
      readonly is: "opened";
      readonly key: number;
      readonly epoch: number;
      readonly lastSeq: number;
      readonly isRunOpen: boolean;
      readonly reason?: InterruptionReason;
    }
  | { readonly is: "closed-run"; readonly reason: "owner_dead" | "lease_over" }
  | { readonly is: "importing"; readonly key: number }
  | { readonly is: "swept"; readonly isComplete: boolean }
  | { readonly is: "byte-stream"; readonly answer: ByteStreamAnswer };

export interface ThreadOptions {
  readonly path: string;
  readonly durability: "disk" | "process";
  /** Where the leases stand. */
  readonly leases: SharedArrayBuffer;
}

/** Messages to the thread. */
export type ToThread =
  | { readonly type: "commit"; readonly id: number; readonly commands: readonly SqliteCommand[] }
  /** Brings the file to its size: what the -wal holds goes into it, and pages at its end that are free go. */
  | { readonly type: "compact"; readonly id: number }
  /** Leases were opened outside of the thread, the shortest for so long. */
  | { readonly type: "renew"; readonly leaseMs: number }
  /** Brings what the -wal holds into the file, beside those who write. */
  | { readonly type: "checkpoint" }
  /** A write outside of the thread failed: nothing more is written. */
  | { readonly type: "fail" }
  | { readonly type: "close" };

/** Messages from the thread. */
export type FromThread =
  | { readonly type: "opened" }
  | { readonly type: "open-failed"; readonly failure: SqliteFailure }
  | { readonly type: "committed"; readonly id: number; readonly results: readonly CommandResult[] }
  | { readonly type: "failed"; readonly id: number; readonly failure: SqliteFailure }
  | { readonly type: "checkpointed" }
  | { readonly type: "lost"; readonly key: number; readonly epoch: number; readonly why: "taken_over" | "lease_over" };
