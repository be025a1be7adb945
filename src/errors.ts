/**
 * Every error that Skein throws or records, as one table of codes and one class for each kind.
 * A message says what failed, on what, what was expected and what to do next; it never holds a secret.
 */

/** Where a failure belongs; `final.error.kind` carries the same word. */
export type ErrorKind = "validation" | "store" | "backend" | "sandbox" | "transport" | "abort";

interface CodeEntry {
  readonly kind: ErrorKind;
  readonly retryable: boolean;
  readonly meaning: string;
}

const entry = (kind: ErrorKind, meaning: string, retryable = false): CodeEntry => ({
  kind,
  retryable,
  meaning,
});

/** The table of codes. `docs/errors.md` says the same to users, and a test holds the two together. */
export const ERROR_CODES = {
  // ── what the caller asked for cannot be done ──
  invalid_option: entry("validation", "An option has a value that it cannot have."),
  session_exists: entry("validation", "A session with this id is there already; resume it or choose another id."),
  session_unknown: entry("validation", "No session has this id."),
  session_mismatch: entry("validation", "The session was made by another kind of backend."),
  session_busy: entry("validation", "Another live writer holds the session."),
  session_in_use: entry("validation", "Other sessions were forked from this one, or refer to it."),
  run_unknown: entry("validation", "No run of this session has this id."),
  event_reserved: entry("validation", "A backend yielded an event that only the stream or the kernel may write."),
  event_invalid: entry("validation", "An event does not have the shape of its type."),
  event_not_json: entry(
    "validation",
    "An event holds something that JSON cannot say (BigInt, a cycle, a function, too deep).",
  ),
  event_too_large: entry("validation", "An event is larger than the store takes."),
  session_file_invalid: entry("validation", "A file is not a whole session as it was exported."),
  fork_position: entry("validation", "The session cannot be forked at this position."),
  deadline_exceeded: entry("backend", "The run went past its deadline."),
  conversation_gone: entry("validation", "The box no longer knows the conversation that it was asked to continue."),
  parent_gone: entry("validation", "The iteration that was named as parent has no box or checkpoint any more."),
  loop_changed: entry("validation", "The loop's driver, specs or validator are not those that its log was made with."),
  budget_unmeasured: entry("validation", "A cost or token budget was set over an agent that reports neither."),
  plan_invalid: entry("validation", "A driver's plan is not one that the kernel can carry out."),
  sandbox_unavailable: entry("validation", "The sandbox that was asked for does not work on this machine."),
  not_contained: entry("validation", "A contained box was demanded on a machine that cannot contain one."),
  path_not_found: entry("validation", "A path does not exist."),
  no_tests: entry("validation", "The package has no test script."),
  patch_conflict: entry("validation", "The change does not fit the files it should be applied to."),
  patch_unsafe: entry("validation", "The change would write outside the folder, or through a symbolic link."),
  no_change: entry("validation", "The session holds no change to a workspace."),
  agent_unknown: entry("validation", "No agent has this name."),
  // ── the server ──
  route_unknown: entry("validation", "The server has nothing under this address."),
  token_missing: entry("validation", "The request carries no token that the server knows."),
  token_refused: entry("validation", "The token does not allow what the request asks for."),
  token_unknown: entry("validation", "No token that could be revoked has the id."),
  origin_refused: entry("validation", "The request came under a name, or from a page, that the server does not serve."),
  body_too_large: entry("validation", "The body of the request is larger than the server takes."),
  rate_limited: entry("validation", "One caller sent more requests than the server takes.", true),
  streams_exhausted: entry("validation", "The server has as many streams open as it takes.", true),
  streams_unsupported: entry("validation", "The store keeps no plain streams."),
  stream_unknown: entry("validation", "No stream has this address."),
  stream_gone: entry("validation", "The stream was deleted; others that were forked from it keep its address taken."),
  stream_closed: entry("validation", "The stream is closed: nothing more can be appended."),
  stream_conflict: entry("validation", "The stream is not as the request takes it to be."),
  task_unknown: entry("validation", "The server offers no task or loop of this name."),
  run_elsewhere: entry("validation", "The run is not executed by this server."),
  idempotency_conflict: entry("validation", "The idempotency key was used for another request."),
  permission_unknown: entry("validation", "No run waits for an answer to this question."),
  blob_unknown: entry("validation", "The store holds no blob with this digest."),
  port_in_use: entry("validation", "Another program listens on the port."),
  // ── the store ──
  store_failed: entry("store", "The store could not read or write."),
  store_full: entry("store", "There is no space left for the store."),
  store_closed: entry("store", "The store was closed, or refused further writes after a failed one."),
  store_corrupt: entry("store", "The database file is damaged."),
  store_foreign: entry("store", "The file or folder was not made by Skein."),
  store_newer: entry("store", "The database was written by a newer version of Skein."),
  store_read_only: entry("store", "The store was opened for reading only."),
  store_unavailable: entry("store", "The store's driver could not be loaded on this platform."),
  fenced: entry("store", "Another writer took the session over."),
  // ── what ran ──
  backend_failed: entry("backend", "The backend threw."),
  backend_stop_failed: entry("backend", "The backend's stop threw."),
  backend_stop_timeout: entry("backend", "The backend's stop did not return in time."),
  validator_failed: entry("backend", "The validator threw."),
  output_failed: entry("backend", "The output adapter threw."),
  driver_failed: entry("backend", "The driver threw."),
  agent_failed: entry("backend", "The agent answered with an error."),
  agent_exited: entry("backend", "The agent's process ended in the middle of a turn.", true),
  agent_silent: entry("backend", "The agent gave no sign of life for too long."),
  agent_garbage: entry("backend", "The agent wrote something that is not its protocol."),
  agent_not_found: entry("backend", "The agent's program is not installed in the box."),
  agent_no_mcp: entry("backend", "The agent cannot be given an MCP server of this kind."),
  agent_refused: entry("backend", "The agent refused to go on."),
  agent_cannot_load: entry("backend", "The agent cannot load an earlier conversation."),
  agent_install_failed: entry("backend", "An agent could not be fetched from npm.", true),
  telemetry_failed: entry("backend", "Spans could not be handed to a collector."),
  model_failed: entry("backend", "The last call of a model in the turn failed."),
  budget_exhausted: entry("backend", "The budget for calls of models is used up."),
  // ── boxes ──
  box_create_failed: entry("sandbox", "A box could not be made."),
  box_image_unknown: entry("sandbox", "There is no image of this name on the machine."),
  box_quota: entry("sandbox", "The provider makes no more boxes for now.", true),
  sandbox_away: entry("sandbox", "The engine that keeps the boxes does not answer.", true),
  box_gone: entry("sandbox", "The box is gone."),
  box_busy: entry("sandbox", "The box is in the middle of a turn."),
  box_protocol: entry("sandbox", "The box answered with something that is not its protocol."),
  box_disk_full: entry("sandbox", "The box had more on the disk than its limit, and everything in it was ended."),
  box_memory_full: entry(
    "sandbox",
    "The box had more memory or processes than its limit, and everything in it was ended.",
  ),
  box_path: entry("sandbox", "The path leads out of the box."),
  turn_unknown: entry("sandbox", "The box does not know this turn."),
  turn_detached: entry("sandbox", "The client let go of the box in the middle of a turn, which goes on there."),
  checkpoint_failed: entry("sandbox", "The box could not be checkpointed."),
  checkpoint_unknown: entry("sandbox", "No checkpoint has this id."),
  checkpoint_damaged: entry("sandbox", "A checkpoint of another machine is not what it was when it was put away."),
  checkpoint_incompatible: entry("sandbox", "A checkpoint of another machine cannot be gone on from on this one."),
  fork_failed: entry("sandbox", "The box could not be forked."),
  fork_unsupported: entry("sandbox", "This sandbox cannot fork a box."),
  box_delete_failed: entry("sandbox", "The box could not be deleted."),
  // ── abort ──
  aborted: entry("abort", "The work was aborted."),
} as const satisfies Record<string, CodeEntry>;

/** One of the codes of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What an error may carry beside its code and message. */
export interface SkeinErrorOptions {
  readonly cause?: unknown;
  /** Overrides the table's answer. */
  readonly retryable?: boolean;
  /** Clean-up failures that happened after this one; never in its place. */
  readonly suppressed?: readonly unknown[];
}

const BRAND = Symbol.for("skein.error");

/** The base of every error of Skein. Test with {@link SkeinError.is}, which also holds across two copies of the package. */
export class SkeinError extends Error {
  readonly code: ErrorCode;
  /** True where the same call may succeed later without any change. */
  readonly retryable: boolean;
  readonly kind: ErrorKind;
  readonly suppressed: readonly unknown[];

  constructor(code: ErrorCode, message: string, options: SkeinErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = options.retryable ?? ERROR_CODES[code].retryable;
    this.kind = ERROR_CODES[code].kind;
    this.suppressed = options.suppressed ?? [];
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** True for every error of Skein, whichever copy of the package made it. */
  static is(value: unknown): value is SkeinError {
    return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
  }
}

/** The caller asked for something that cannot be done; nothing was changed. */
export class ValidationError extends SkeinError {}

/** The store could not read or write. `cause` is the store's own error; a run's failure stands in `suppressed`. */
export class StoreError extends SkeinError {}

/** Another writer took the session over; nothing was written. */
export class FencedError extends SkeinError {
  constructor(message: string, options: SkeinErrorOptions = {}) {
    super("fenced", message, options);
  }
}

/** The work was aborted by its caller. Its `name` is that of the web platform's abort errors. */
export class AbortError extends SkeinError {
  constructor(message = "The work was aborted.", options: SkeinErrorOptions = {}) {
    super("aborted", message, options);
    this.name = "AbortError";
  }
}

/** A backend or an agent failed. */
export class BackendError extends SkeinError {}

/** A box could not be made, reached, forked or deleted. */
export class SandboxError extends SkeinError {}

/** True for every error that means "aborted", ours and the platform's. */
export function isAbortError(value: unknown): boolean {
  return typeof value === "object" && value !== null && (value as { name?: unknown }).name === "AbortError";
}
