import type { Backend, TaskSpec } from "../../backend/backend.ts";
import type { JsonValue } from "../../event/event.ts";
import type { Redactor } from "../../event/redaction/redactor.ts";
import type { RunLoopOptions } from "../../loop/loop-types.ts";

/** What a caller sent along: JSON, not checked by the server beyond that. */
export type RunInput = Readonly<Record<string, JsonValue>>;

/** What a definition learns about the run that it is asked for. @experimental */
export interface RunContext {
  readonly sessionId: string;
  readonly signal: AbortSignal;
  /**
   * Waits for a person's answer to a `permission.requested` that the run has yielded, given through `POST /api/runs/:id/answer`.
   * `optionId` is absent where the question was turned down; `by` says who answered. Rejects when the run is aborted.
   */
  answered(requestId: string): Promise<{ readonly optionId?: string; readonly by: string }>;
}

/** A task that may be started by its name. @experimental */
export interface TaskDefinition {
  readonly description?: string;
  /** JSON Schema of the input, for people and programs that ask what there is. */
  readonly inputSchema?: JsonValue;
  /** Executes the runs. A function is asked for each run. */
  readonly backend: Backend | ((input: RunInput, context: RunContext) => Backend | Promise<Backend>);
  /** The task of an input. Default: its `prompt`, with the whole input in `inputs`. */
  readonly task?: (input: RunInput) => string | TaskSpec;
  readonly labels?: Readonly<Record<string, string>>;
  readonly deadlineMs?: number;
  readonly redact?: Redactor | false;
}

/** What a loop is made of, but for what the server decides: where it is stored, and when it ends. @experimental */
export type LoopSettings<Task, Output, Decision> = Omit<
  RunLoopOptions<Task, Output, Decision>,
  "store" | "sessionId" | "resume" | "signal" | "onEvent"
>;

/** A loop that may be started by its name. Make one with {@link defineLoop}. @experimental */
export interface LoopDefinition {
  readonly description?: string;
  /** JSON Schema of the input. */
  readonly inputSchema?: JsonValue;
  /** Asked for each run, also for one that goes on: the same input gives the same loop. */
  readonly settings: (
    input: RunInput,
    context: RunContext,
  ) => LoopSettings<JsonValue, unknown, JsonValue> | Promise<LoopSettings<JsonValue, unknown, JsonValue>>;
}

/**
 * A loop with its own types of tasks, outputs and decisions, as one that may be started by its name.
 *
 * @experimental
 */
export function defineLoop<Task extends JsonValue, Output, Decision extends JsonValue>(definition: {
  readonly description?: string;
  readonly inputSchema?: JsonValue;
  readonly settings: (
    input: RunInput,
    context: RunContext,
  ) => LoopSettings<Task, Output, Decision> | Promise<LoopSettings<Task, Output, Decision>>;
}): LoopDefinition {
  // What goes into the loop comes out of its own settings, so the types of the two ends agree.
  return definition;
}
