import type {
  ErrorDetail,
  FinalBody,
  ForkMode,
  JsonValue,
  RunStatus,
  StoredEvent,
  StoredEventOf,
  Usage,
} from "../event/event.ts";
import { readWinner } from "../event/loop-winner.ts";
import { addUsage } from "../event/usage.ts";
import { renderPlanStep, summarizeToolResult } from "./activity.ts";
import { toPlainLine } from "./plain-text.ts";

/** How an iteration came to its box. */
export type BoxOrigin = "new" | "continued" | ForkMode;

export interface IterationProgress {
  readonly index: number;
  readonly round: number;
  readonly agentRunName: string;
  /** The session that its own events are in. */
  readonly sessionId: string;
  readonly parentIndex?: number;
  readonly startedAt: number;
  boxId?: string;
  origin?: BoxOrigin;
  originReason?: string;
  endedAt?: number;
  status: "running" | RunStatus;
  error?: ErrorDetail;
  verdict?: {
    readonly valid: boolean;
    readonly score: number;
    readonly scores?: Readonly<Record<string, number>>;
    readonly notes?: string;
  };
  usage: Usage;
  /** What it does right now, from its own events. */
  activity: string;
  tools: number;
}

export interface RoundProgress {
  readonly round: number;
  readonly tasks: number;
  readonly rationale?: string;
}

interface BoxNote {
  readonly boxId: string;
  readonly origin: BoxOrigin;
  readonly reason?: string;
}

/**
 * What a loop looks like after some of its events and of those of its iterations, in any order that keeps each session's own.
 * A resumed loop is one picture: what an interrupted run left stays, and an iteration that is run again takes the place of its first try.
 */
export class LoopProgress {
  driver: string | undefined;
  limits: StoredEventOf<"loop.started"> | undefined;
  task: JsonValue | undefined;
  startedAt: number | undefined;
  decision: JsonValue | undefined;
  final: FinalBody | undefined;
  readonly rounds: RoundProgress[] = [];
  readonly deleteFailures: StoredEventOf<"box.delete-failed">[] = [];
  readonly boxes = new Set<string>();
  readonly #iterations = new Map<number, IterationProgress>();
  /** Which iteration a child session belongs to. */
  /** What an iteration did when it asked, by the question. */
  readonly #beforeQuestion = new Map<string, string>();
  readonly #children = new Map<string, number>();
  readonly #sessionId: string;
  #winner: number | undefined;
  readonly #notesByIndex = new Map<number, BoxNote>();
  readonly #notesByBox = new Map<string, BoxNote>();

  /** @param sessionId the loop's own; every other is one of its iterations */
  constructor(sessionId: string) {
    this.#sessionId = sessionId;
  }

  /** In the order of their index. */
  get iterations(): IterationProgress[] {
    return [...this.#iterations.values()].sort((a, b) => a.index - b.index);
  }

  get running(): IterationProgress[] {
    return this.iterations.filter((iteration) => iteration.status === "running");
  }

  /** What was reported so far, also by iterations that have not ended. */
  get usage(): Usage {
    return this.iterations.reduce<Usage>((sum, iteration) => addUsage(sum, iteration.usage), {});
  }

  /** True for the session of an iteration, which is not the loop's own. */
  isChild(sessionId: string): boolean {
    return sessionId !== this.#sessionId;
  }

  /** The iteration that the events of a child session belong to. */
  iterationOf(sessionId: string): IterationProgress | undefined {
    const index = this.#children.get(sessionId);
    return index === undefined ? undefined : this.#iterations.get(index);
  }

  /** Tasks of planned rounds whose box is still being made. */
  get waiting(): number {
    const planned = this.rounds.reduce((sum, { tasks }) => sum + tasks, 0);
    return this.final === undefined ? Math.max(0, planned - this.#iterations.size) : 0;
  }

  /** The winner that the loop named; until then the best so far by K9: the highest score among valid outputs, else among all, the earliest of equals. */
  get winner(): IterationProgress | undefined {
    if (this.#winner !== undefined) return this.#iterations.get(this.#winner);
    const ended = this.iterations.filter((iteration) => iteration.status === "completed");
    const valid = ended.filter((iteration) => iteration.verdict?.valid === true);
    let best: IterationProgress | undefined;
    for (const one of valid.length > 0 ? valid : ended) {
      if (best === undefined || (one.verdict?.score ?? 0) > (best.verdict?.score ?? 0)) best = one;
    }
    return best;
  }

  add(event: StoredEvent): void {
    if (event.sessionId === this.#sessionId) return this.#addOwn(event);
    const iteration = this.iterationOf(event.sessionId);
    if (iteration !== undefined) this.#addChild(iteration, event);
  }

  #addOwn(event: StoredEvent): void {
    switch (event.type) {
      case "run.started":
        this.task ??= event.task;
        this.startedAt ??= event.at;
        this.final = undefined;
        this.#winner = undefined;
        break;
      case "loop.started":
        this.driver = event.driver;
        this.limits = event;
        break;
      case "round.planned": {
        const { round, tasks, rationale } = event;
        if (!this.rounds.some((known) => known.round === round)) {
          this.rounds.push({ round, tasks: tasks.length, ...(rationale === undefined ? {} : { rationale }) });
        }
        break;
      }
      case "box.created":
        this.#note(event.index, { boxId: event.boxId, origin: "new" });
        break;
      case "box.continued":
        this.#note(event.index, {
          boxId: event.boxId,
          origin: "continued",
          ...(event.reason === undefined ? {} : { reason: event.reason }),
        });
        break;
      case "box.forked":
        this.#note(event.index, {
          boxId: event.boxId,
          origin: event.mode,
          ...(event.reason === undefined ? {} : { reason: event.reason }),
        });
        break;
      case "box.deleted":
        this.boxes.delete(event.boxId);
        break;
      case "box.delete-failed":
        this.deleteFailures.push(event);
        break;
      case "iteration.started":
        this.#start(event);
        break;
      case "iteration.ended": {
        const iteration = this.#iterations.get(event.index);
        if (iteration === undefined) break;
        iteration.status = event.status;
        iteration.endedAt = event.at;
        iteration.usage = event.usage;
        iteration.activity = "";
        if (event.error !== undefined) iteration.error = event.error;
        break;
      }
      case "verdict.given": {
        const { valid, score, scores, notes } = event;
        const iteration = this.#iterations.get(event.index);
        if (iteration !== undefined) {
          iteration.verdict = {
            valid,
            score,
            ...(scores === undefined ? {} : { scores }),
            ...(notes === undefined ? {} : { notes }),
          };
        }
        break;
      }
      case "custom":
        this.#winner = readWinner(event) ?? this.#winner;
        break;
      case "decision.made":
        this.decision = event.decision;
        break;
      case "final":
        this.final = event;
        this.boxes.clear();
        for (const iteration of this.running)
          iteration.status = event.status === "completed" ? "interrupted" : event.status;
        break;
      default:
        break;
    }
  }

  #note(index: number | undefined, note: BoxNote): void {
    this.boxes.add(note.boxId);
    this.#notesByBox.set(note.boxId, note);
    if (index === undefined) return;
    this.#notesByIndex.set(index, note);
    // The kernel may record the box before or after the iteration's start.
    const iteration = this.#iterations.get(index);
    if (iteration !== undefined) applyNote(iteration, note);
  }

  #start(event: StoredEventOf<"iteration.started">): void {
    const { index, round, iterationSessionId, agentRunName, parentIndex, boxId } = event;
    const iteration: IterationProgress = {
      index,
      round,
      sessionId: iterationSessionId,
      agentRunName,
      startedAt: event.at,
      status: "running",
      usage: {},
      activity: "",
      tools: 0,
      ...(parentIndex === undefined ? {} : { parentIndex }),
      ...(boxId === undefined ? {} : { boxId }),
    };
    const note = this.#notesByIndex.get(index) ?? (boxId === undefined ? undefined : this.#notesByBox.get(boxId));
    if (note !== undefined) applyNote(iteration, note);
    this.#iterations.set(index, iteration);
    this.#children.set(iterationSessionId, index);
  }

  #addChild(iteration: IterationProgress, event: StoredEvent): void {
    switch (event.type) {
      case "tool.started":
        iteration.tools += 1;
        iteration.activity = toPlainLine(event.title ?? event.toolName);
        break;
      case "tool.ended": {
        const summary = summarizeToolResult(event.result);
        if (summary !== "" && iteration.activity !== "") iteration.activity = `${iteration.activity}  ${summary}`;
        break;
      }
      case "plan.updated":
        iteration.activity = renderPlanStep(event.entries) || iteration.activity;
        break;
      case "permission.requested":
        this.#beforeQuestion.set(event.requestId, iteration.activity);
        iteration.activity = `asks: ${toPlainLine(event.title)}`;
        break;
      case "permission.answered":
        iteration.activity = this.#beforeQuestion.get(event.requestId) ?? "";
        this.#beforeQuestion.delete(event.requestId);
        break;
      case "usage.reported":
        iteration.usage = addUsage(iteration.usage, event);
        break;
      case "final":
        iteration.activity = "checking";
        break;
      default:
        break;
    }
  }
}

function applyNote(iteration: IterationProgress, note: BoxNote): void {
  iteration.boxId = note.boxId;
  iteration.origin = note.origin;
  if (note.reason !== undefined) iteration.originReason = note.reason;
}
