import { ValidationError } from "../errors.ts";
import type { Redactor } from "../event/redaction/redactor.ts";
import type { ErrorDetail, RunStatus, RunStartedBody, Usage } from "../event/event.ts";
import type { Backend, TaskSpec } from "../backend/backend.ts";
import type { SessionStore } from "../store/session-store.ts";

/** @stable */
export interface StreamTaskOptions {
  readonly task: string | TaskSpec;
  readonly backend: Backend;
  /** Default: a memory store that lives as long as the call. */
  readonly store?: SessionStore;
  /** Default: a new id. One that exists is refused (`session_exists`) unless `resume` is true. */
  readonly sessionId?: string;
  /** A new run in the session `sessionId`. Default false. */
  readonly resume?: boolean;
  /** Go on even though another live writer holds the session; that one is fenced. Default false: `session_busy`. */
  readonly takeOver?: boolean;
  readonly signal?: AbortSignal;
  /** Default: the built-in redactor with the secrets of this process's environment. `false` stores everything as it is. */
  readonly redact?: Redactor | false;
  /** Milliseconds after which the run fails with `deadline_exceeded`. Default: none. */
  readonly deadlineMs?: number;
  /** Milliseconds that `backend.stop` may take before it is left behind and that is recorded. Default 10,000. */
  readonly stopTimeoutMs?: number;
  /** Labels of a new session. */
  readonly labels?: Readonly<Record<string, string>>;
  /** On whose behalf the run works; a new session becomes a child of that one. */
  readonly parent?: NonNullable<RunStartedBody["parent"]>;
}

/** How a run ended, drawn from its `final`. @stable */
export interface RunResult {
  readonly runId: string;
  readonly sessionId: string;
  readonly status: RunStatus;
  readonly reason: string;
  readonly text?: string;
  readonly error?: ErrorDetail;
  readonly suppressed?: readonly ErrorDetail[];
  readonly usage: Usage;
  readonly durationMs: number;
}

export const DEFAULT_STOP_TIMEOUT_MS = 10_000;

function requireMs(name: string, value: number | undefined): void {
  if (value !== undefined && !(typeof value === "number" && value >= 0 && value <= 2 ** 31 - 1)) {
    throw new ValidationError(
      "invalid_option",
      `${name} is a number of milliseconds from 0 to ${2 ** 31 - 1}, not ${String(value)}.`,
    );
  }
}

/** @throws ValidationError `invalid_option` */
export function validateStreamOptions(options: StreamTaskOptions): TaskSpec {
  const { task, backend, resume, sessionId } = options;
  const spec = typeof task === "string" ? { prompt: task } : task;
  if (typeof spec !== "object" || spec === null || typeof spec.prompt !== "string") {
    throw new ValidationError("invalid_option", "A task is a prompt, or an object with a prompt.");
  }
  if (typeof backend?.stream !== "function" || typeof backend.kind !== "string") {
    throw new ValidationError("invalid_option", "A backend needs a kind and a stream function.");
  }
  if (resume === true && sessionId === undefined) {
    throw new ValidationError("invalid_option", "To resume a session, name it with sessionId.");
  }
  if (sessionId === "") throw new ValidationError("invalid_option", "A session id must not be empty.");
  requireMs("deadlineMs", options.deadlineMs);
  requireMs("stopTimeoutMs", options.stopTimeoutMs);
  return spec;
}
