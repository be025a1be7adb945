import type { ErrorDetail, JsonValue, RunStatus, StoredEvent, StoredEventOf, Usage } from "../../event/event.ts";
import { readWinner } from "../../event/loop-winner.ts";

/** How an iteration came to its box. */
export type BoxOrigin = "new" | "continued" | "memory" | "files" | "fresh";

export interface LineageRound {
  readonly round: number;
  readonly tasks: readonly JsonValue[];
  readonly parentIndex?: number | readonly number[];
  readonly cut?: number;
  readonly rationale?: string;
  readonly decision?: JsonValue;
}

export interface LineageIteration {
  readonly index: number;
  readonly round: number;
  /** The child session that its own events are in. */
  readonly sessionId: string;
  readonly agentRunName: string;
  readonly parentIndex?: number;
  readonly boxId?: string;
  readonly origin?: BoxOrigin;
  readonly originReason?: string;
  readonly status: "running" | RunStatus;
  readonly error?: ErrorDetail;
  readonly verdict?: {
    readonly valid: boolean;
    readonly score: number;
    readonly scores?: Readonly<Record<string, number>>;
    readonly notes?: string;
  };
  readonly usage: Usage;
  readonly attempts: number;
  readonly startedAt: number;
  readonly endedAt?: number;
}

export interface LineageBox {
  readonly boxId: string;
  readonly origin: "new" | "memory" | "files" | "fresh";
  /** The box that it was forked from. */
  readonly from?: string;
  /** The iteration that it was made for. */
  readonly index?: number;
  readonly conversationId?: string;
  readonly reason?: string;
  readonly status: "live" | "deleted" | "delete-failed";
  readonly createdAt: number;
  readonly deletedAt?: number;
}

/** A line of the picture: from a parent to the iteration that descends from it; from nothing where it began anew. */
export interface LineageEdge {
  readonly kind: "new" | "continue" | "fork";
  readonly from?: number;
  readonly to: number;
  readonly mode?: "memory" | "files" | "fresh";
  readonly reason?: string;
}

/** A loop drawn from its log, over all its runs. */
export interface Lineage {
  readonly sessionId: string;
  readonly driver?: string;
  readonly status: "created" | "running" | RunStatus;
  readonly reason?: string;
  readonly rounds: readonly LineageRound[];
  readonly iterations: readonly LineageIteration[];
  readonly boxes: readonly LineageBox[];
  readonly edges: readonly LineageEdge[];
  readonly checkpoints: readonly {
    readonly checkpointId: string;
    readonly boxId: string;
    readonly mode: "memory" | "files";
    readonly index?: number;
    readonly atSeq?: number;
    readonly deleted: boolean;
  }[];
  /** The iteration that the loop named. */
  readonly winner?: number;
  readonly decision?: JsonValue;
  readonly usage: Usage;
  readonly children: readonly string[];
  readonly lastSeq: number;
}

interface Origin {
  readonly origin: BoxOrigin;
  readonly boxId: string;
  readonly reason?: string;
}

const optional = <Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { readonly [key in Name]?: Value } =>
  (value === undefined ? {} : { [name]: value }) as { readonly [key in Name]?: Value };

/** What the log of a loop says of its rounds, iterations and boxes, folded from its events as they come. */
export class LineageFold {
  readonly #sessionId: string;
  readonly #rounds = new Map<number, LineageRound>();
  readonly #iterations = new Map<number, LineageIteration>();
  readonly #boxes = new Map<string, LineageBox>();
  readonly #checkpoints = new Map<string, Lineage["checkpoints"][number]>();
  readonly #origins = new Map<number, Origin>();
  #driver: string | undefined;
  #status: Lineage["status"] = "created";
  #reason: string | undefined;
  #winner: number | undefined;
  #decision: JsonValue | undefined;
  #usage: Usage = {};
  #lastSeq = 0;

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
  }

  add(event: StoredEvent): void {
    this.#lastSeq = event.seq;
    switch (event.type) {
      case "run.started":
        this.#status = "running";
        this.#reason = undefined;
        this.#winner = undefined;
        break;
      case "loop.started":
        this.#driver = event.driver;
        break;
      case "round.planned": {
        const { round, tasks, parentIndex, cut, rationale } = event;
        this.#rounds.set(round, {
          round,
          tasks,
          ...optional("parentIndex", parentIndex),
          ...optional("cut", cut),
          ...optional("rationale", rationale),
        });
        break;
      }
      case "decision.made": {
        this.#decision = event.decision;
        const round = this.#rounds.get(event.round);
        if (round !== undefined) this.#rounds.set(event.round, { ...round, decision: event.decision });
        break;
      }
      case "box.created":
      case "box.forked":
        this.#addBox(event);
        break;
      case "box.continued":
        this.#note(event.index, { origin: "continued", boxId: event.boxId, ...optional("reason", event.reason) });
        break;
      case "box.deleted":
      case "box.delete-failed": {
        const box = this.#boxes.get(event.boxId);
        if (box === undefined) break;
        if (event.type === "box.delete-failed") this.#boxes.set(box.boxId, { ...box, status: "delete-failed" });
        else this.#boxes.set(box.boxId, { ...box, status: "deleted", deletedAt: event.at });
        break;
      }
      case "iteration.started":
        this.#start(event);
        break;
      case "iteration.ended": {
        const { index, status, usage, error, at } = event;
        this.#change(index, { status, usage, endedAt: at, ...optional("error", error) });
        break;
      }
      case "verdict.given": {
        const { index, valid, score, scores, notes } = event;
        this.#change(index, { verdict: { valid, score, ...optional("scores", scores), ...optional("notes", notes) } });
        break;
      }
      case "checkpoint.created": {
        const { checkpointId, boxId, mode, index, atSeq } = event;
        const place = { ...optional("index", index), ...optional("atSeq", atSeq) };
        this.#checkpoints.set(checkpointId, { checkpointId, boxId, mode, ...place, deleted: false });
        break;
      }
      case "checkpoint.deleted": {
        const checkpoint = this.#checkpoints.get(event.checkpointId);
        if (checkpoint !== undefined) this.#checkpoints.set(event.checkpointId, { ...checkpoint, deleted: true });
        break;
      }
      case "custom":
        this.#winner = readWinner(event) ?? this.#winner;
        break;
      case "final":
        this.#status = event.status;
        this.#reason = event.reason;
        this.#usage = event.usage;
        for (const iteration of this.#iterations.values()) {
          if (iteration.status === "running") this.#change(iteration.index, { status: "interrupted" });
        }
        break;
      default:
        break;
    }
  }

  #addBox(event: StoredEventOf<"box.created"> | StoredEventOf<"box.forked">): void {
    const { boxId, index, conversationId, reason, at } = event;
    const origin = event.type === "box.forked" ? event.mode : "new";
    this.#boxes.set(boxId, {
      boxId,
      origin,
      ...optional("from", event.type === "box.forked" ? event.from : undefined),
      ...optional("index", index),
      ...optional("conversationId", conversationId),
      ...optional("reason", reason),
      status: "live",
      createdAt: at,
    });
    this.#note(index, { origin, boxId, ...optional("reason", reason) });
  }

  /** The kernel may record the box before or after the iteration's start. */
  #note(index: number | undefined, origin: Origin): void {
    if (index === undefined) return;
    this.#origins.set(index, origin);
    this.#change(index, {
      boxId: origin.boxId,
      origin: origin.origin,
      ...optional("originReason", origin.reason),
    });
  }

  #start(event: StoredEventOf<"iteration.started">): void {
    const { index, round, iterationSessionId, agentRunName, parentIndex, boxId } = event;
    const origin = this.#origins.get(index);
    this.#iterations.set(index, {
      index,
      round,
      sessionId: iterationSessionId,
      agentRunName,
      ...optional("parentIndex", parentIndex),
      ...optional("boxId", boxId ?? origin?.boxId),
      ...optional("origin", origin?.origin),
      ...optional("originReason", origin?.reason),
      status: "running",
      usage: {},
      attempts: (this.#iterations.get(index)?.attempts ?? 0) + 1,
      startedAt: event.at,
    });
  }

  #change(index: number, change: Partial<LineageIteration>): void {
    const iteration = this.#iterations.get(index);
    if (iteration !== undefined) this.#iterations.set(index, { ...iteration, ...change });
  }

  toLineage(): Lineage {
    const iterations = [...this.#iterations.values()].sort((a, b) => a.index - b.index);
    return {
      sessionId: this.#sessionId,
      ...optional("driver", this.#driver),
      status: this.#status,
      ...optional("reason", this.#reason),
      rounds: [...this.#rounds.values()].sort((a, b) => a.round - b.round),
      iterations,
      boxes: [...this.#boxes.values()],
      edges: iterations.map(toEdge),
      checkpoints: [...this.#checkpoints.values()],
      ...optional("winner", this.#winner),
      ...optional("decision", this.#decision),
      usage: this.#usage,
      children: iterations.map(({ sessionId }) => sessionId),
      lastSeq: this.#lastSeq,
    };
  }
}

function toEdge({ index, parentIndex, origin, originReason }: LineageIteration): LineageEdge {
  const line = { ...optional("from", parentIndex), to: index, ...optional("reason", originReason) };
  if (origin === "continued") return { kind: "continue", ...line };
  if (origin === "memory" || origin === "files" || origin === "fresh") return { kind: "fork", ...line, mode: origin };
  return { kind: "new", ...line };
}
