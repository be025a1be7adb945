import type { StoredEvent, StoredEventOf } from "../event/event.ts";
import { CallSpans, toUsageAttributes } from "./call-spans.ts";
import type { IterationPlace, LoopPast } from "./loop-spans.ts";
import { createLoopPast, deriveIterationSpanId, LoopSpans } from "./loop-spans.ts";
import { toErrorType } from "./open-span.ts";
import { RunScope } from "./run-scope.ts";
import { deriveSpanId, deriveTraceId } from "./span-ids.ts";
import type { SpanChange, SpanLink, SpanPlace } from "./span-record.ts";

/** What the spans say beyond what the log does. */
export interface ProjectionOptions {
  /**
   * Whether prompts, answers, tools' arguments and results, and a validator's notes are recorded. Default false: names, counts and times alone.
   */
  readonly content?: boolean;
  /** The span under which runs and loops that have no parent of their own stand. Default: each is the root of a trace. */
  readonly parent?: SpanPlace;
  /** Which backends, by their kind, are a model's call and not an agent's. Default: `ai-sdk`. */
  readonly isModelCall?: (backend: string) => boolean;
  /** How the agent of a run outside a loop is called; in a loop it is the agent run's name. */
  readonly agentName?: string;
}

/** A session whose first events were shared with another one. */
export interface ForkOrigin {
  readonly sessionId: string;
  readonly atSeq: number;
}

interface SessionState {
  readonly past: LoopPast;
  run: RunState | undefined;
  /** The run before, where it was interrupted: the next one goes on in its trace. */
  interrupted: SpanPlace | undefined;
  fork: ForkOrigin | undefined;
  /** The last run that is shared with the session that this one was forked from. */
  forkLink: SpanLink | undefined;
}

interface RunState {
  readonly scope: RunScope;
  readonly call: CallSpans;
  readonly loop: LoopSpans | undefined;
  /** It stands in the session that this one was forked from, and its spans are that one's. */
  readonly isShared: boolean;
}

/**
 * Spans from events, and from nothing else: the same events give the same spans, ids included, whether they are heard as they happen or read
 * from a log that is a year old. Sessions may be mixed; a session's own events come in order, and a loop's before those of its iterations.
 * It holds what is open, and a few words for each iteration of a loop that has not ended.
 */
export class SpanProjection {
  readonly #options: ProjectionOptions;
  readonly #sessions = new Map<string, SessionState>();
  readonly #iterations = new Map<string, IterationPlace>();
  /** Of sessions that run. */
  readonly #traces = new Map<string, string>();
  readonly #givenTraces = new Map<string, string>();
  #changes: SpanChange[] = [];

  constructor(options: ProjectionOptions = {}) {
    this.#options = options;
  }

  /** The session's trace, where its own events do not say it: it works on behalf of another one. */
  setTrace(sessionId: string, traceId: string): void {
    this.#givenTraces.set(sessionId, traceId);
  }

  /** The session's events up to `atSeq` are another's: their spans are that one's, and the first run after them links to it. */
  setFork(sessionId: string, origin: ForkOrigin): void {
    this.#state(sessionId).fork = origin;
  }

  add(event: StoredEvent): readonly SpanChange[] {
    if (this.#changes.length > 0) this.#changes = [];
    const state = this.#state(event.sessionId);
    if (event.type === "run.started") this.#begin(state, event);
    else if (event.type === "final") this.#end(state, event);
    else {
      state.run?.call.add(event);
      state.run?.loop?.add(event);
    }
    return this.#changes;
  }

  #state(sessionId: string): SessionState {
    const known = this.#sessions.get(sessionId);
    if (known !== undefined) return known;
    const state = {
      past: createLoopPast(),
      run: undefined,
      interrupted: undefined,
      fork: undefined,
      forkLink: undefined,
    };
    this.#sessions.set(sessionId, state);
    return state;
  }

  #begin(state: SessionState, event: StoredEventOf<"run.started">): void {
    const { runId, at, kind, parent, continues } = event;
    // Recovery has closed it, unheard.
    if (state.run !== undefined) this.#close(state, state.run, at, { status: "interrupted", reason: "owner_dead" });
    const isShared = state.fork !== undefined && event.seq <= state.fork.atSeq;
    const sessionId = isShared && state.fork !== undefined ? state.fork.sessionId : event.sessionId;
    const iteration = this.#iterations.get(sessionId);
    const traceId = this.#traceOf(state, { ...event, sessionId }, iteration);
    this.#traces.set(event.sessionId, traceId);
    const scope = new RunScope(
      {
        sessionId,
        runId,
        traceId,
        content: this.#options.content ?? false,
        agentName: iteration?.agentRunName ?? this.#options.agentName,
        conversationId: iteration?.conversationId ?? sessionId,
        isModelCall: this.#options.isModelCall ?? ((backend) => backend === "ai-sdk"),
      },
      (change) => {
        if (!isShared) this.#changes.push(change);
      },
    );
    scope.run = scope.open(
      deriveRunSpanId(sessionId, runId),
      {
        parent: undefined,
        name: kind === "loop" ? "loop" : "run",
        startedAt: at,
        attributes: {
          "skein.session.id": sessionId,
          "skein.run.id": runId,
          "skein.run.kind": kind,
          "gen_ai.conversation.id": kind === "task" ? scope.conversationId : undefined,
        },
        links: toLinks(state, traceId, sessionId, continues),
      },
      parent === undefined ? this.#options.parent?.spanId : toParentSpanId(parent),
    );
    if (!isShared) state.forkLink = undefined;
    const onIteration = (child: string, place: IterationPlace): void => {
      if (!isShared) this.#iterations.set(child, place);
    };
    state.run = {
      scope,
      call: new CallSpans(scope, event),
      loop: kind === "loop" ? new LoopSpans(scope, state.past, onIteration) : undefined,
      isShared,
    };
  }

  /** A loop is one trace, however many runs it takes; a run outside a loop is one, and goes on in that of the run that was cut short before it. */
  #traceOf(
    { interrupted }: SessionState,
    { sessionId, runId, kind, parent }: StoredEventOf<"run.started">,
    iteration: IterationPlace | undefined,
  ): string {
    if (parent !== undefined) {
      const known = iteration?.traceId ?? this.#traces.get(parent.sessionId) ?? this.#givenTraces.get(sessionId);
      if (known !== undefined) return known;
      return deriveTraceId(parent.iteration === undefined ? (parent.runId ?? parent.sessionId) : parent.sessionId);
    }
    if (this.#options.parent !== undefined) return this.#options.parent.traceId;
    if (kind === "loop") return deriveTraceId(sessionId);
    return interrupted?.traceId ?? deriveTraceId(runId);
  }

  #end(state: SessionState, event: StoredEventOf<"final">): void {
    const { run } = state;
    if (run === undefined) return;
    state.run = undefined;
    this.#traces.delete(event.sessionId);
    this.#close(state, run, event.at, event);
    if (state.fork !== undefined || event.status === "interrupted") return;
    this.#sessions.delete(event.sessionId);
    if (run.loop === undefined) return;
    for (const [child, { loopSessionId }] of this.#iterations)
      if (loopSessionId === event.sessionId) this.#iterations.delete(child);
  }

  #close(
    state: SessionState,
    { scope, call, loop, isShared }: RunState,
    at: number,
    final: Pick<StoredEventOf<"final">, "status" | "reason"> & Partial<StoredEventOf<"final">>,
  ): void {
    const { status, reason, error, usage } = final;
    const span = scope.run;
    if (span === undefined) return;
    scope.interrupted = status === "interrupted";
    // What did not end by itself failed with the run; where the run is well, it is merely unsaid how it ended.
    const errorType = status === "completed" ? undefined : error === undefined ? reason : toErrorType(error);
    call.close(at, errorType);
    loop?.close(at, errorType);
    span.set({
      "skein.run.status": status,
      "skein.run.reason": reason,
      ...toUsageAttributes("skein.usage", usage ?? {}),
      "skein.cost_usd": usage?.costUsd,
    });
    if (status === "failed" || status === "interrupted") span.fail(errorType ?? status);
    scope.close(span, at);
    const { traceId, spanId } = span.opened;
    state.interrupted = status === "interrupted" && !isShared ? { traceId, spanId } : undefined;
    if (isShared) state.forkLink = { traceId, spanId, attributes: { "skein.link": "forked_from" } };
  }
}

function toLinks(
  { interrupted, forkLink }: SessionState,
  traceId: string,
  sessionId: string,
  continues: string | undefined,
): SpanLink[] {
  if (forkLink !== undefined) return [forkLink];
  const attributes = { "skein.link": "continues" };
  if (continues !== undefined) return [{ traceId, spanId: deriveRunSpanId(sessionId, continues), attributes }];
  return interrupted === undefined ? [] : [{ ...interrupted, attributes }];
}

export function deriveRunSpanId(sessionId: string, runId: string): string {
  return deriveSpanId(sessionId, "run", runId);
}

function toParentSpanId({
  sessionId,
  runId,
  iteration,
}: NonNullable<StoredEventOf<"run.started">["parent"]>): string | undefined {
  if (runId === undefined) return undefined;
  return iteration === undefined
    ? deriveRunSpanId(sessionId, runId)
    : deriveIterationSpanId(sessionId, runId, iteration);
}
