import { createHash } from "node:crypto";
import type { Backend, TaskSpec } from "../../backend/backend.ts";
import { AbortError, SkeinError, ValidationError, isAbortError } from "../../errors.ts";
import type { JsonValue, StoredEvent } from "../../event/event.ts";
import { createRedactor } from "../../event/redaction/redactor.ts";
import { createId } from "../../internal/ids.ts";
import { withTimeout } from "../../internal/with-timeout.ts";
import { forkLoop } from "../../loop/fork-loop.ts";
import { runLoop } from "../../loop/run-loop.ts";
import { answerQuestion } from "../../runtime/answer-question.ts";
import type { SandboxClient } from "../../sandbox/sandbox.ts";
import type { Session, SessionStore } from "../../store/session-store.ts";
import { streamTask } from "../../stream/stream-task.ts";
import type { LoopDefinition, RunContext, RunInput, TaskDefinition } from "./run-definitions.ts";

/** Labels by which a session says how it was asked for. */
export const RUN_NAME_LABEL = "skein.run";
const INPUT_LABEL = "skein.input";
const REQUEST_LABEL = "skein.request";

/** How long an abort waits for the run's `final`. */
const ABORT_WAIT_MS = 15_000;

export interface StartRequest {
  readonly name: string;
  readonly input: RunInput;
  readonly idempotencyKey?: string;
  /** Default: a new one, or one that the idempotency key gives. */
  readonly sessionId?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** The task's id, where its definition gives it none. */
  readonly taskId?: string;
}

export interface StartedRun {
  readonly sessionId: string;
  readonly runId: string;
  /** False where the idempotency key had started it before. */
  readonly isNew: boolean;
}

interface LiveRun {
  readonly name: string;
  readonly controller: AbortController;
  /** Resolves when its `final` is stored, or could not be. */
  readonly ended: Promise<void>;
  readonly questions: Map<string, (answer: Answer) => void>;
  /** Where a loop's boxes are, which ask questions of their own. */
  readonly sandboxClient?: SandboxClient;
}

/** A person's answer; without an option the question is turned down. */
export interface Answer {
  readonly optionId?: string;
  readonly by: string;
}

/** Hands an answer to a run of another process. */
export type AnswerElsewhere = (session: Session, requestId: string, answer: Answer) => Promise<void>;

export interface RunRegistryOptions {
  readonly store: SessionStore;
  readonly tasks: Readonly<Record<string, TaskDefinition>>;
  readonly loops: Readonly<Record<string, LoopDefinition>>;
  readonly answerElsewhere?: AnswerElsewhere;
  readonly onError: (error: unknown) => void;
  readonly onRunEnded?: ((sessionId: string) => void) | undefined;
}

/** Where a run is stored. */
interface Place {
  readonly sessionId: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly resume?: true;
  readonly taskId?: string;
}

/** What a run of this process has to do to begin: it tells the first event, with the boxes of a loop, and ends in its own time. */
type Execute = (
  context: RunContext,
  onEvent: (event: StoredEvent, sandboxClient?: SandboxClient) => void,
) => Promise<void>;

/** The runs that this server executes. They belong to the process: no request, and no reader that leaves, ends one. */
export class RunRegistry {
  readonly #options: RunRegistryOptions;
  readonly #live = new Map<string, LiveRun>();
  readonly #redactor = createRedactor({ env: process.env });

  constructor(options: RunRegistryOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#live.size;
  }

  /** What may be started. */
  list(): { name: string; kind: "task" | "loop"; description?: string; inputSchema?: JsonValue }[] {
    const { tasks, loops } = this.#options;
    const describe = (
      kind: "task" | "loop",
      [name, { description, inputSchema }]: [string, TaskDefinition | LoopDefinition],
    ) => ({
      name,
      kind,
      ...(description === undefined ? {} : { description }),
      ...(inputSchema === undefined ? {} : { inputSchema }),
    });
    return [
      ...Object.entries(tasks).map((entry) => describe("task", entry)),
      ...Object.entries(loops).map((entry) => describe("loop", entry)),
    ];
  }

  /**
   * Starts a run in a session of its own and answers when its first event is stored.
   *
   * @throws ValidationError `task_unknown`, `idempotency_conflict`, `session_exists`; what the definition throws
   */
  async start({ name, input, idempotencyKey, labels, taskId, ...request }: StartRequest): Promise<StartedRun> {
    const { store } = this.#options;
    const kind = this.#kindOf(name);
    const fingerprint = hash(`${name}\n${JSON.stringify(input)}`);
    const sessionId =
      request.sessionId ??
      (idempotencyKey === undefined ? createId("run") : `run_${hash(idempotencyKey).slice(0, 24)}`);
    if (idempotencyKey !== undefined) {
      const known = await store.get(sessionId);
      if (known !== undefined) return this.#known(known, fingerprint, idempotencyKey);
    }
    const all = {
      ...labels,
      [RUN_NAME_LABEL]: name,
      [INPUT_LABEL]: this.#redacted(input),
      ...(idempotencyKey === undefined ? {} : { [REQUEST_LABEL]: fingerprint }),
    };
    try {
      const place = { sessionId, labels: all, ...(taskId === undefined ? {} : { taskId }) };
      return await this.#begin(
        name,
        sessionId,
        kind === "task" ? this.#taskRun(name, input, place) : this.#loopRun(name, input, place),
      );
    } catch (error) {
      // Another request with the same key was faster, perhaps at another server.
      const isRace = idempotencyKey !== undefined && SkeinError.is(error) && error.code === "session_exists";
      const known = isRace ? await store.get(sessionId) : undefined;
      if (known === undefined) throw error;
      return this.#known(known, fingerprint, idempotencyKey ?? "");
    }
  }

  /**
   * A new run in a session that this API began: a task with a new input, a loop where it stopped.
   *
   * @throws ValidationError `task_unknown`, `session_busy`; what the definition throws
   */
  async resume(session: Session, input?: RunInput, taskId?: string): Promise<StartedRun> {
    const name = session.labels[RUN_NAME_LABEL] ?? "";
    const kind = this.#kindOf(name);
    const live = this.#live.get(session.id);
    // Its `final` is stored and was seen; what it holds is given back in a moment.
    if (live !== undefined && (await this.#options.store.get(session.id))?.openRun === undefined) await live.ended;
    if (this.#live.has(session.id)) throw busy(session.id);
    const known = input ?? (JSON.parse(session.labels[INPUT_LABEL] ?? "{}") as RunInput);
    const place = { sessionId: session.id, resume: true, ...(taskId === undefined ? {} : { taskId }) } as const;
    return this.#begin(
      name,
      session.id,
      kind === "task" ? this.#taskRun(name, known, place) : this.#loopRun(name, known, place),
    );
  }

  /** A new loop that shares the first rounds of another. @throws what `forkLoop` throws */
  async forkLoop(session: Session, atRound: number, input?: RunInput): Promise<StartedRun> {
    const name = session.labels[RUN_NAME_LABEL] ?? "";
    const definition = this.#options.loops[name];
    if (definition === undefined)
      throw unknownTask(name, "A loop that this server does not offer cannot be forked here.");
    const known = input ?? (JSON.parse(session.labels[INPUT_LABEL] ?? "{}") as RunInput);
    return this.#begin(name, undefined, async (context, onEvent) => {
      const { store } = this.#options;
      const settings = await definition.settings(known, context);
      await forkLoop(session.id, {
        ...settings,
        atRound,
        store,
        signal: context.signal,
        onEvent: (event) => onEvent(event, settings.sandboxClient),
      });
    });
  }

  /**
   * Aborts the session's run and waits until its `final` is stored, for a while.
   *
   * @throws ValidationError `run_elsewhere`
   */
  async abort(session: Session, reason: string): Promise<void> {
    const live = this.#live.get(session.id);
    if (live !== undefined) {
      live.controller.abort(new AbortError(reason));
      await withTimeout(live.ended, ABORT_WAIT_MS);
      return;
    }
    if (session.openRun === undefined) return;
    throw new ValidationError(
      "run_elsewhere",
      `The run of ${session.id} is executed by ${session.writer?.owner ?? "another process"}; end it there. Where that process is gone, the run is closed as interrupted when its lease is over.`,
    );
  }

  /** Hands an answer to the run that waits for it, or to the box that does. @throws ValidationError `permission_unknown`; SandboxError `box_gone` */
  async answer(session: Session, requestId: string, answer: Answer): Promise<void> {
    const { store, answerElsewhere } = this.#options;
    // A question of an iteration's is asked of the loop that it belongs to.
    const live = this.#live.get(session.id) ?? this.#live.get(session.parentId ?? "");
    const tell = live?.questions.get(requestId);
    if (tell !== undefined) {
      live?.questions.delete(requestId);
      return tell(answer);
    }
    const boxes = live?.sandboxClient;
    if (boxes !== undefined) {
      const place = { store, openUsedSandboxes: async () => new Map([["loop", boxes]]) };
      return answerQuestion(place, session, requestId, answer);
    }
    if (answerElsewhere !== undefined) return answerElsewhere(session, requestId, answer);
    throw new ValidationError(
      "permission_unknown",
      `No run of session ${JSON.stringify(session.id)} waits here for an answer to ${JSON.stringify(requestId)}.`,
    );
  }

  /** Resolves when no run is left. */
  async settled(): Promise<void> {
    while (this.#live.size > 0) await Promise.all(Array.from(this.#live.values(), ({ ended }) => ended));
  }

  #kindOf(name: string): "task" | "loop" {
    if (Object.hasOwn(this.#options.tasks, name)) return "task";
    if (Object.hasOwn(this.#options.loops, name)) return "loop";
    throw unknownTask(
      name,
      `There are ${
        this.list()
          .map((one) => one.name)
          .join(", ") || "none"
      }.`,
    );
  }

  async #known(session: Session, fingerprint: string, key: string): Promise<StartedRun> {
    if (session.labels[REQUEST_LABEL] !== fingerprint)
      throw new ValidationError(
        "idempotency_conflict",
        `The idempotency key ${JSON.stringify(key.slice(0, 80))} has started another run, with another name or input; take a new key.`,
      );
    return { sessionId: session.id, runId: session.lastRunId ?? "", isNew: false };
  }

  #redacted(input: RunInput): string {
    const redaction = this.#redactor.begin();
    const [body] = [...redaction.push({ type: "custom", name: "input", data: input }), ...redaction.flush()];
    return JSON.stringify(body?.type === "custom" ? body.data : {});
  }

  #taskRun(name: string, input: RunInput, place: Place): Execute {
    const definition = this.#options.tasks[name] as TaskDefinition;
    const { task = toTask, deadlineMs, redact, labels } = definition;
    return async (context, onEvent) => {
      const backend: Backend =
        typeof definition.backend === "function" ? await definition.backend(input, context) : definition.backend;
      for await (const event of streamTask({
        task: withId(task(input), place.taskId),
        backend,
        store: this.#options.store,
        signal: context.signal,
        sessionId: place.sessionId,
        ...(place.resume === undefined ? {} : { resume: true }),
        ...(place.labels === undefined ? {} : { labels: { ...labels, ...place.labels } }),
        ...(deadlineMs === undefined ? {} : { deadlineMs }),
        ...(redact === undefined ? {} : { redact }),
      }))
        onEvent(event);
    };
  }

  #loopRun(name: string, input: RunInput, place: Place): Execute {
    const definition = this.#options.loops[name] as LoopDefinition;
    return async (context, onEvent) => {
      const settings = await definition.settings(input, context);
      await runLoop({
        ...settings,
        store: this.#options.store,
        signal: context.signal,
        onEvent: (event) => onEvent(event, settings.sandboxClient),
        sessionId: place.sessionId,
        ...(place.resume === undefined ? {} : { resume: true }),
        ...(place.labels === undefined ? {} : { labels: { ...settings.labels, ...place.labels } }),
      });
    };
  }

  /** Runs on its own from the first stored event on; what goes wrong before that is the caller's to hear. */
  #begin(name: string, wanted: string | undefined, execute: Execute): Promise<StartedRun> {
    const controller = new AbortController();
    const questions: LiveRun["questions"] = new Map();
    let sessionId = wanted;
    return new Promise((resolve, reject) => {
      let hasBegun = false;
      const context: RunContext = {
        sessionId: wanted ?? "",
        signal: controller.signal,
        answered: (requestId) => waitForAnswer(questions, requestId, controller.signal),
      };
      const onEvent = (event: StoredEvent, sandboxClient?: SandboxClient): void => {
        // The first event is the run's own; a loop also tells those of its iterations.
        if (hasBegun) return;
        hasBegun = true;
        sessionId = event.sessionId;
        const boxes = sandboxClient === undefined ? {} : { sandboxClient };
        this.#live.set(sessionId, { name, controller, questions, ended, ...boxes });
        resolve({ sessionId, runId: event.runId, isNew: true });
      };
      const ended = execute(context, onEvent)
        .catch((error: unknown) => {
          if (!hasBegun) reject(error);
          else if (!isAbortError(error)) this.#options.onError(error);
        })
        .finally(() => {
          if (sessionId === undefined || this.#live.get(sessionId)?.controller !== controller) return;
          this.#live.delete(sessionId);
          this.#options.onRunEnded?.(sessionId);
        });
    });
  }
}

function waitForAnswer(questions: LiveRun["questions"], requestId: string, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      questions.delete(requestId);
      reject(new AbortError("The run was aborted while it waited for an answer."));
    };
    if (signal.aborted) return leave();
    signal.addEventListener("abort", leave, { once: true });
    questions.set(requestId, (answer) => {
      signal.removeEventListener("abort", leave);
      resolve(answer);
    });
  });
}

function withId(task: string | TaskSpec, id: string | undefined): string | TaskSpec {
  if (id === undefined) return task;
  return typeof task === "string" ? { prompt: task, id } : { id, ...task };
}

function toTask(input: RunInput): TaskSpec {
  const { prompt } = input;
  if (typeof prompt !== "string")
    throw new ValidationError("invalid_option", "The input of this task is an object with a prompt, which is a text.");
  return { prompt, inputs: input };
}

function unknownTask(name: string, hint: string): ValidationError {
  return new ValidationError("task_unknown", `No task or loop is called ${JSON.stringify(name.slice(0, 80))}. ${hint}`);
}

function busy(sessionId: string): ValidationError {
  return new ValidationError(
    "session_busy",
    `Session ${JSON.stringify(sessionId)} has a run already; wait until it has ended, or abort it.`,
  );
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
