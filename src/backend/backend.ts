import type { BoxEvent, EventBody, JsonValue, StoredEvent } from "../event/event.ts";
import type { Session } from "../store/session-store.ts";

/**
 * The port of what executes a run. The stream calls, in this order:
 * `start` (a new session) or `resume` (an old one), then `stream` once, then `stop` once per started run, whatever happened.
 *
 * - `stream` yields bodies of the backend's own types (`BackendEventBody`); one of the stream's or the kernel's types fails the run
 *   with `event_reserved`. To throw is to fail the run; to return is to complete it. What is yielded after the run's end is dropped.
 * - The signal fires on abort, at the deadline, when the consumer leaves and when the writer is fenced; a backend that does not
 *   listen is left behind, its `stop` is called all the same.
 * - `stop` releases what the run holds. It may be called while `stream` still runs. If it throws or takes longer than `stopTimeoutMs`
 *   that is recorded in `final.suppressed` and changes nothing else (L3).
 */
export interface Backend {
  /** Stays the same over versions: a session is only resumed by a backend of its kind. */
  readonly kind: string;
  start?(input: BackendInput, context: BackendContext): Promise<{ readonly resumeToken?: string }>;
  resume?(session: Session, input: BackendInput, context: BackendContext): Promise<{ readonly resumeToken?: string }>;
  stream(input: BackendInput, context: BackendContext): AsyncIterable<EventBody | BoxEvent>;
  /** @param reason `completed`, `failed`, `aborted`, … as in `final.status` */
  stop?(session: Session, reason: string): Promise<void>;
  /** The turn's events up to `through` are stored, every character of them (B5). What it throws is ignored: it is asked again with the next batch. */
  acknowledge?(turnId: string, through: number): Promise<void>;
}

/** What should be done. */
export interface TaskSpec {
  readonly prompt: string;
  readonly id?: string;
  readonly inputs?: { readonly [name: string]: JsonValue };
  readonly metadata?: { readonly [name: string]: JsonValue };
}

export type BackendInput = TaskSpec;

export interface BackendContext {
  readonly signal: AbortSignal;
  readonly sessionId: string;
  readonly runId: string;
  /** What `start` or `resume` gave back, in this run or an earlier one. */
  readonly resumeToken?: string;
  /** Everything that the session held before this run, oldest first. */
  history(): AsyncIterable<StoredEvent>;
}
