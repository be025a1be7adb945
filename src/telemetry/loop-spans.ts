import type { StoredEvent, StoredEventOf } from "../event/event.ts";
import { readWinner } from "../event/loop-winner.ts";
import type { OpenSpan } from "./open-span.ts";
import { toErrorType } from "./open-span.ts";
import type { RunScope } from "./run-scope.ts";
import { deriveSpanId } from "./span-ids.ts";
import type { SpanPlace } from "./span-record.ts";

/** What a child session's run is told of the iteration that it belongs to. */
export interface IterationPlace {
  readonly loopSessionId: string;
  readonly traceId: string;
  readonly agentRunName: string;
  readonly conversationId: string | undefined;
}

/** Known to the iteration's own session too, which names loop, run and index. */
export function deriveIterationSpanId(loopSessionId: string, runId: string, index: number): string {
  return deriveSpanId(loopSessionId, "iteration", runId, index);
}

/** What a loop's earlier runs have left: it outlives them. */
export interface LoopPast {
  /** The first iteration of each round. */
  readonly firstOfRound: Map<number, number>;
  planned: number;
  /** The span of each iteration, by its index. */
  readonly iterations: Map<number, SpanPlace>;
  /** The span of the iteration that a box worked on last. */
  readonly boxes: Map<string, SpanPlace>;
  /** What the agent in a box remembers. */
  readonly conversations: Map<string, string>;
  maxConcurrency: number | undefined;
}

export function createLoopPast(): LoopPast {
  return {
    firstOfRound: new Map(),
    planned: 0,
    iterations: new Map(),
    boxes: new Map(),
    conversations: new Map(),
    maxConcurrency: undefined,
  };
}

/** The spans of one run of a loop: rounds, iterations, and what happens to boxes. */
export class LoopSpans {
  readonly #scope: RunScope;
  readonly #past: LoopPast;
  readonly #onIteration: (sessionId: string, place: IterationPlace) => void;
  #round:
    | { readonly number: number; readonly span: OpenSpan; readonly plannedAt: number; readonly ends: number[] }
    | undefined;
  readonly #iterations = new Map<number, OpenSpan>();
  /** When the checkpoint of a box was last taken. */
  readonly #checkpointed = new Map<string, number>();

  constructor(scope: RunScope, past: LoopPast, onIteration: (sessionId: string, place: IterationPlace) => void) {
    this.#scope = scope;
    this.#past = past;
    this.#onIteration = onIteration;
  }

  add(event: StoredEvent): void {
    const { run } = this.#scope;
    switch (event.type) {
      case "loop.started":
        this.#past.maxConcurrency = event.maxConcurrency;
        if (run !== undefined) run.name = `loop ${event.driver}`;
        return run?.set({
          "skein.loop.driver": event.driver,
          "skein.loop.max_iterations": event.maxIterations,
          "skein.loop.max_concurrency": event.maxConcurrency,
          "skein.loop.fingerprint": event.fingerprint,
        });
      case "round.planned": {
        this.#past.firstOfRound.set(event.round, this.#past.planned);
        this.#past.planned += event.tasks.length;
        const span = this.#beginRound(event.round, event.at);
        return span.set({ "skein.round.tasks": event.tasks.length, "skein.round.cut": event.cut });
      }
      case "iteration.started":
        return this.#beginIteration(event);
      case "verdict.given": {
        const { index, valid, score } = event;
        const iteration = this.#iterations.get(index);
        iteration?.set({ "skein.verdict.valid": valid, "skein.verdict.score": score });
        return iteration?.mark("gen_ai.evaluation.result", event.at, {
          "gen_ai.evaluation.name": "verdict",
          "gen_ai.evaluation.score.value": score,
          "gen_ai.evaluation.score.label": valid ? "valid" : "invalid",
          "gen_ai.evaluation.explanation": this.#scope.content ? event.notes : undefined,
        });
      }
      case "iteration.ended": {
        const iteration = this.#iterations.get(event.index);
        if (iteration === undefined) return undefined;
        this.#iterations.delete(event.index);
        iteration.set({ "skein.iteration.status": event.status });
        if (event.status === "failed")
          iteration.fail(event.error === undefined ? "iteration_failed" : toErrorType(event.error));
        this.#round?.ends.push(event.at);
        return this.#scope.close(iteration, event.at);
      }
      case "decision.made":
        this.#round?.span.set({
          "skein.decision": typeof event.decision === "string" ? event.decision : undefined,
        });
        return this.#endRound(event.at);
      case "box.created":
      case "box.forked":
        return this.#addBox(event);
      case "box.continued": {
        const { index, from } = event;
        if (index === undefined) return undefined;
        const parent = from === undefined ? undefined : this.#past.iterations.get(from);
        return this.#openIteration(index, event.at, parent).set({ "skein.box.origin": "continued" });
      }
      case "checkpoint.created": {
        this.#checkpointed.set(event.boxId, event.at);
        const iteration = event.index === undefined ? undefined : this.#iterations.get(event.index);
        return this.#addInstant("box checkpoint", event, iteration, {
          "skein.box.id": event.boxId,
          "skein.checkpoint.id": event.checkpointId,
          "skein.box.mode": event.mode,
          "skein.iteration.index": event.index,
        });
      }
      case "box.deleted":
        return run?.mark("skein.box.deleted", event.at, { "skein.box.id": event.boxId });
      case "box.delete-failed":
        return run?.mark("skein.box.delete_failed", event.at, {
          "skein.box.id": event.boxId,
          "error.type": event.error === undefined ? "delete_failed" : toErrorType(event.error),
        });
      case "custom": {
        const winner = readWinner(event);
        if (winner !== undefined) run?.set({ "skein.winner.index": winner });
        return undefined;
      }
      default:
        return undefined;
    }
  }

  close(at: number, errorType: string | undefined): void {
    for (const iteration of this.#iterations.values()) {
      if (errorType !== undefined) iteration.fail(errorType);
      this.#scope.close(iteration, at);
    }
    this.#iterations.clear();
    this.#endRound(at);
  }

  #beginRound(number: number, at: number): OpenSpan {
    this.#endRound(at);
    const { sessionId, runId, run } = this.#scope;
    const span = this.#scope.open(deriveSpanId(sessionId, "round", runId, number), {
      parent: run,
      name: `round ${number}`,
      startedAt: at,
      attributes: { "skein.round.index": number },
    });
    this.#round = { number, span, plannedAt: at, ends: [] };
    return span;
  }

  #endRound(at: number): void {
    if (this.#round !== undefined) this.#scope.close(this.#round.span, at);
    this.#round = undefined;
  }

  /** An iteration begins with its box, before it is said to have started. */
  #openIteration(index: number, startedAt: number, descendsFrom?: SpanPlace): OpenSpan {
    const known = this.#iterations.get(index);
    if (known !== undefined) return known;
    const { sessionId, runId, traceId, run } = this.#scope;
    const spanId = deriveIterationSpanId(sessionId, runId, index);
    const span = this.#scope.open(spanId, {
      parent: this.#round?.span ?? run,
      name: `iteration ${index}`,
      startedAt,
      attributes: { "skein.iteration.index": index },
      links: descendsFrom === undefined ? [] : [{ ...descendsFrom, attributes: { "skein.link": "descends_from" } }],
    });
    this.#iterations.set(index, span);
    this.#past.iterations.set(index, { traceId, spanId });
    return span;
  }

  #beginIteration(event: StoredEventOf<"iteration.started">): void {
    const { index, round, at, agentRunName, iterationSessionId, boxId, parentIndex, reason } = event;
    // A resumed loop does not plan again what its log holds.
    if (this.#round === undefined || this.#round.number < round) this.#beginRound(round, at);
    const iteration = this.#openIteration(index, at);
    const conversationId = boxId === undefined ? undefined : this.#past.conversations.get(boxId);
    iteration.set({
      "skein.round.index": round,
      "skein.iteration.session.id": iterationSessionId,
      "skein.iteration.parent": parentIndex,
      "skein.iteration.resumed": reason,
      "skein.box.id": boxId,
      "gen_ai.agent.name": agentRunName,
      "gen_ai.conversation.id": conversationId,
    });
    if (boxId !== undefined) {
      const { traceId, spanId } = iteration.opened;
      this.#past.boxes.set(boxId, { traceId, spanId });
    }
    const { sessionId, traceId } = this.#scope;
    this.#onIteration(iterationSessionId, { loopSessionId: sessionId, traceId, agentRunName, conversationId });
  }

  #addBox(event: StoredEventOf<"box.created"> | StoredEventOf<"box.forked">): void {
    const { boxId, index, at, conversationId, reason } = event;
    if (conversationId !== undefined) this.#past.conversations.set(boxId, conversationId);
    const isFork = event.type === "box.forked";
    const from = isFork ? event.from : undefined;
    const startedAt = this.#startOfBox(index, from, at);
    const parent = from === undefined ? undefined : this.#past.boxes.get(from);
    const iteration = index === undefined ? undefined : this.#openIteration(index, startedAt, parent);
    const mode = isFork ? event.mode : "fresh";
    iteration?.set({ "skein.box.origin": isFork ? "forked" : "created", "skein.box.mode": mode });
    this.#addInstant(
      isFork ? "box fork" : "box create",
      event,
      iteration,
      { "skein.box.id": boxId, "skein.box.from": from, "skein.box.mode": mode, "skein.box.reason": reason },
      startedAt,
    );
  }

  /**
   * The log says when a box was there, not when it was asked for. That is when its slot was free: at the round's plan, or with the end of the
   * iteration whose slot it took; a fork begins with its parent's checkpoint at the earliest.
   */
  #startOfBox(index: number | undefined, from: string | undefined, at: number): number {
    const round = this.#round;
    const first = round === undefined ? undefined : this.#past.firstOfRound.get(round.number);
    const { maxConcurrency } = this.#past;
    if (round === undefined || first === undefined || index === undefined || maxConcurrency === undefined) return at;
    const waitedFor = index - first - maxConcurrency;
    const freeAt = waitedFor < 0 ? round.plannedAt : round.ends[waitedFor];
    if (freeAt === undefined) return at;
    const checkpointAt = from === undefined ? 0 : (this.#checkpointed.get(from) ?? 0);
    return Math.min(at, Math.max(freeAt, checkpointAt));
  }

  #addInstant(
    name: string,
    { seq, at }: StoredEvent,
    iteration: OpenSpan | undefined,
    attributes: Readonly<Record<string, string | number | undefined>>,
    startedAt = at,
  ): void {
    const span = this.#scope.open(deriveSpanId(this.#scope.sessionId, "box", seq), {
      parent: iteration ?? this.#round?.span ?? this.#scope.run,
      name,
      startedAt,
      attributes,
    });
    this.#scope.close(span, at);
  }
}
