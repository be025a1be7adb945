import { BackendError, FencedError, StoreError, ValidationError } from "../errors.ts";
import type { Backend } from "../backend/backend.ts";
import { toErrorDetail } from "../event/error-detail.ts";
import type { ErrorDetail, RunStatus, StoredEvent, StoredEventOf, TurnMark, Usage } from "../event/event.ts";
import type { Redactor } from "../event/redaction/redactor.ts";
import { parseEventBody } from "../event/parse-event.ts";
import { RunSummary } from "../event/run-summary.ts";
import { settleOrAbort } from "../internal/abort.ts";
import { createId } from "../internal/ids.ts";
import type { Branch, Place } from "../lineage/branch.ts";
import { beginOf } from "../store/begin-session.ts";
import type { SessionStore } from "../store/session-store.ts";
import { TaskRun } from "../stream/task-run.ts";
import type { LoopAllowance, TurnAllowance } from "./budget.ts";
import type { LoopLog } from "./loop-log.ts";
import type { TurnInFlight } from "./loop-memory.ts";
import { resumeTurn } from "../sandbox/resume-turn.ts";
import type { AgentRunSpec, Iteration, OutputAdapter, Validator, Verdict } from "./loop-types.ts";

/** What all iterations of a loop share. */
export interface IterationContext<Output> {
  readonly loopSessionId: string;
  readonly loopRunId: string;
  readonly store: SessionStore;
  readonly log: LoopLog;
  readonly output: OutputAdapter<Output>;
  readonly validator?: Validator<Output>;
  readonly redact?: Redactor | false;
  readonly onEvent: (event: StoredEvent) => void;
  readonly now: () => number;
  readonly allowance: LoopAllowance;
}

/** One task and where it will run. */
export interface IterationJob<Task> {
  readonly index: number;
  readonly round: number;
  readonly task: Task;
  readonly spec: AgentRunSpec<Task>;
  readonly agentRunName: string;
  readonly parentIndex?: number;
  /** Gives the box: a fresh one, the parent's, or a fork of it. */
  acquire(): Promise<Place>;
  /** It goes on in a living box: whatever fails before the prompt is then no single lost sample but a broken lineage (K5). */
  readonly continues: boolean;
  readonly signal: AbortSignal;
  /** How often it was begun before, in runs that were interrupted. */
  readonly attempts: number;
  /** The turn that was under way then, to go on with. */
  readonly inFlight?: TurnInFlight;
}

export interface IterationOutcome<Task, Output> {
  readonly iteration: Iteration<Task, Output>;
  readonly status: RunStatus;
  readonly place?: Place;
}

/** What is asked of the agent, and where its events go. */
interface Turn {
  readonly prompt: string;
  readonly sessionId: string;
  readonly turnId: string;
  /** What is stored of it, where it was begun in a run that was interrupted. */
  readonly earlier?: readonly StoredEvent[];
  readonly allowance?: TurnAllowance;
}

/** How far an iteration came. */
interface Attempt<Output> {
  readonly status: RunStatus;
  readonly events: readonly StoredEvent[];
  readonly usage: Usage;
  readonly output?: Output;
  readonly verdict?: Verdict;
  readonly error?: ErrorDetail;
}

/** K4: what breaks the structure of a loop rejects it; everything else is recorded on its iteration. */
function isStructural(error: unknown): boolean {
  return error instanceof ValidationError || error instanceof StoreError || error instanceof FencedError;
}

/**
 * One task in one box: get the box, run the agent, read the output, validate it while the box is alive. All of it is recorded, and
 * what the agent, the output adapter or the validator throws is the iteration's error.
 *
 * @throws what the lineage or the store throws
 */
export async function runIteration<Task, Output>(
  context: IterationContext<Output>,
  job: IterationJob<Task>,
): Promise<IterationOutcome<Task, Output>> {
  const { log, now } = context;
  const { index, round, task, agentRunName, parentIndex } = job;
  const startedAt = now();
  const prompt = job.spec.taskToPrompt(task);
  const { attempts, inFlight } = job;
  // A second attempt has a log of its own; a turn that goes on, goes on in its own.
  const sessionId =
    inFlight?.sessionId ?? `${context.loopSessionId}.${index}${attempts === 0 ? "" : `.${attempts + 1}`}`;
  const turnId = inFlight?.turnId ?? createId("turn");
  const again =
    attempts === 0 ? {} : { reason: inFlight === undefined ? "begun again: its box is gone" : "goes on in its box" };
  let place: Place | undefined;
  let unboxed: Attempt<Output> | undefined;
  try {
    place = await job.acquire();
  } catch (error) {
    if (!job.signal.aborted && (job.continues || isStructural(error))) throw error;
    unboxed = failedAttempt(error, job.signal, "sandbox");
  }
  const parent = parentIndex === undefined ? {} : { parentIndex };
  const boxId = place === undefined ? {} : { boxId: place.branch.box.id };
  log.record({
    type: "iteration.started",
    index,
    round,
    iterationSessionId: sessionId,
    agentRunName,
    ...parent,
    ...boxId,
    turnId,
    ...again,
  });
  // The turn's id must be on record before the prompt is sent (B5), and the iteration before its session, which is begun under the loop's writer.
  const isOrdered =
    unboxed === undefined && inFlight === undefined && beginOf(context.store) !== undefined && log.submit();
  if (!isOrdered) await log.drain();
  const earlier = inFlight === undefined ? undefined : await readBegun(context.store, sessionId);
  const allowance = context.allowance.beginTurn(usageOf(earlier ?? []));
  const turn: Turn = {
    prompt,
    sessionId,
    turnId,
    ...(earlier === undefined ? {} : { earlier }),
    ...(allowance === undefined ? {} : { allowance }),
  };
  const attempt = unboxed ?? (await runInBox(context, job, (place as Place).branch, turn));
  const { status, events, usage, output, verdict, error } = attempt;
  log.record({ type: "iteration.ended", index, status, ...(error === undefined ? {} : { error }), usage });
  allowance?.close();
  const iteration: Iteration<Task, Output> = {
    index,
    round,
    ...parent,
    task,
    agentRunName,
    ...(output === undefined ? {} : { output }),
    ...(verdict === undefined ? {} : { verdict }),
    ...(error === undefined ? {} : { error }),
    events,
    usage,
    sessionId,
    ...boxId,
    startedAt,
    endedAt: now(),
  };
  return { iteration, status, ...(place === undefined ? {} : { place }) };
}

function failedAttempt<Output>(error: unknown, signal: AbortSignal, kind: ErrorDetail["kind"]): Attempt<Output> {
  if (signal.aborted) return { status: "aborted", events: [], usage: {} };
  return { status: "failed", events: [], usage: {}, error: toErrorDetail(error, kind) };
}

async function runInBox<Task, Output>(
  context: IterationContext<Output>,
  job: IterationJob<Task>,
  branch: Branch,
  turn: Turn,
): Promise<Attempt<Output>> {
  const { log, output: adapter, validator } = context;
  const { index, signal } = job;
  const { events, final } = await runAgent(context, job, branch, turn);
  const ran = {
    events,
    usage: usageOf(events),
    status: final.status,
    ...(final.error === undefined ? {} : { error: final.error }),
  };
  if (final.status !== "completed") return ran;
  let output: Output;
  try {
    output = adapter.parse(events);
  } catch (thrown) {
    return { ...ran, status: "failed", error: { ...toErrorDetail(thrown), code: "output_failed" } };
  }
  if (validator === undefined) return { ...ran, output };
  // What a validator still says when it was left behind comes after the iteration's end.
  let isJudging = true;
  try {
    const asked = validator.validate(output, {
      iteration: index,
      box: branch.box,
      signal,
      reportUsage: (usage) => {
        if (isJudging) log.record(parseEventBody({ ...usage, type: "usage.reported" }));
      },
    });
    const verdict = requireVerdict(await settleOrAbort(asked, signal));
    log.record({ type: "verdict.given", index, ...verdict });
    return { ...ran, output, verdict };
  } catch (thrown) {
    if (signal.aborted) return { ...ran, output, status: "aborted" };
    return { ...ran, output, status: "failed", error: { ...toErrorDetail(thrown), code: "validator_failed" } };
  } finally {
    isJudging = false;
  }
}

/** The agent's turn as a run of its own session. */
async function runAgent<Task, Output>(
  { store, log, redact, loopSessionId, loopRunId, onEvent }: IterationContext<Output>,
  { index, signal: jobSignal, inFlight }: IterationJob<Task>,
  { box, conversationId }: Branch,
  { prompt, sessionId, turnId, earlier, allowance }: Turn,
): Promise<{ events: readonly StoredEvent[]; final: StoredEventOf<"final"> }> {
  const begun = earlier !== undefined;
  const ended = earlier?.at(-1);
  // The agent had finished; only the verdict was missing.
  if (ended?.type === "final" && ended.status !== "interrupted") return { events: earlier ?? [], final: ended };
  const backend: Backend = {
    kind: "box",
    stream(_input, { signal }) {
      const options = {
        ...(conversationId === undefined ? {} : { sessionId: conversationId }),
        turnId,
        signal,
        ...(allowance === undefined ? {} : { allowance }),
      };
      return inFlight === undefined
        ? box.streamPrompt(prompt, options)
        : resumeTurn(box, prompt, lastMark(earlier ?? [], turnId), options);
    },
    ...(box.acknowledge === undefined
      ? {}
      : { acknowledge: async (turn: string, through: number) => box.acknowledge?.(turn, through) }),
  };
  const events: StoredEvent[] = [];
  const run: TaskRun = new TaskRun(
    {
      task: { prompt },
      backend,
      store,
      sessionId,
      resume: begun,
      parent: { sessionId: loopSessionId, runId: loopRunId, iteration: index },
      signal: jobSignal,
      ...(redact === undefined ? {} : { redact }),
    },
    { prompt },
    store,
    (stored) => {
      run.delivered(stored.length);
      for (const event of stored) {
        events.push(event);
        onEvent(event);
      }
    },
    log,
  );
  await run.execute();
  const final = events.at(-1);
  if (final?.type !== "final")
    throw new StoreError("store_failed", `The session ${sessionId} ended without a final event.`);
  return { events: begun ? await readSession(store, sessionId) : events, final };
}

/** The last place of a turn that is stored, wholly or in part. */
function lastMark(events: readonly StoredEvent[], turnId: string): TurnMark | undefined {
  return events.findLast(({ turn }) => turn?.id === turnId)?.turn;
}

/** Of all runs of a session: a turn that was taken up again spent something before. */
function usageOf(events: readonly StoredEvent[]): Usage {
  const summary = new RunSummary();
  for (const event of events) summary.add(event);
  return summary.usage;
}

/** What an iteration's session holds; undefined where it was never begun. */
async function readBegun(store: SessionStore, sessionId: string): Promise<readonly StoredEvent[] | undefined> {
  return (await store.get(sessionId)) === undefined ? undefined : readSession(store, sessionId);
}

async function readSession(store: SessionStore, sessionId: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.read(sessionId)) events.push(event);
  return events;
}

/** @throws BackendError `validator_failed` */
function requireVerdict(verdict: Verdict): Verdict {
  if (typeof verdict?.valid !== "boolean" || !Number.isFinite(verdict.score)) {
    throw new BackendError("validator_failed", "A validator answers with { valid: boolean, score: a finite number }.");
  }
  const { valid, score, scores, notes } = verdict;
  return { valid, score, ...(scores === undefined ? {} : { scores }), ...(notes === undefined ? {} : { notes }) };
}
