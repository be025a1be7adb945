import type { JsonValue, StoredEvent, StoredEventOf } from "../event/event.ts";
import { readWinner } from "../event/loop-winner.ts";

/** What the log of a loop says of one iteration: its latest attempt. */
export interface IterationRecord {
  readonly started: StoredEventOf<"iteration.started">;
  readonly ended?: StoredEventOf<"iteration.ended">;
  readonly verdict?: StoredEventOf<"verdict.given">;
  /** How often it was begun. */
  readonly attempts: number;
}

export interface RoundRecord {
  readonly planned: StoredEventOf<"round.planned">;
  /** The first iteration's index. */
  readonly first: number;
  /** The round's last event before its decision. */
  readonly endSeq: number;
  readonly decision?: StoredEventOf<"decision.made">;
}

/** A box that the log names. */
export interface BoxTrace {
  readonly boxId: string;
  readonly mode: "memory" | "files" | "fresh";
  readonly conversationId?: string;
  readonly deleted: boolean;
  /** The iteration that it was made for, and the box that it is a fork of. */
  readonly index?: number;
  readonly from?: string;
  /** Where the log first names it. */
  readonly seq: number;
}

/** The whole of a loop's log, by what it is about. */
export interface LoopRecord {
  readonly fingerprint?: string;
  readonly lastRunId?: string;
  readonly rounds: readonly RoundRecord[];
  readonly iterations: ReadonlyMap<number, IterationRecord>;
  readonly boxes: ReadonlyMap<string, BoxTrace>;
  /** By the iteration at whose end they were taken; those that were deleted are left out. */
  readonly checkpoints: ReadonlyMap<number, StoredEventOf<"checkpoint.created">>;
  /** Sessions of iterations whose end is not on record. */
  readonly unended: readonly string[];
  /** The last winner on record. */
  readonly winnerIndex?: number;
  /** Milliseconds that earlier runs took together. */
  readonly elapsedMs: number;
}

/** Reads a loop's log, over all its runs. Pure. */
export async function foldLoop(events: AsyncIterable<StoredEvent>): Promise<LoopRecord> {
  const rounds: RoundRecord[] = [];
  const iterations = new Map<number, IterationRecord>();
  const boxes = new Map<string, BoxTrace>();
  const checkpoints = new Map<number, StoredEventOf<"checkpoint.created">>();
  const unended = new Set<string>();
  let fingerprint: string | undefined;
  let lastRunId: string | undefined;
  let winnerIndex: number | undefined;
  let elapsedMs = 0;
  let runStartedAt = 0;
  for await (const event of events) {
    const open = rounds.at(-1);
    if (open !== undefined && open.decision === undefined && event.type !== "decision.made" && event.type !== "final") {
      rounds[rounds.length - 1] = { ...open, endSeq: event.seq };
    }
    switch (event.type) {
      case "run.started":
        lastRunId = event.runId;
        runStartedAt = event.at;
        break;
      case "final":
        elapsedMs += event.at - runStartedAt;
        break;
      case "custom":
        winnerIndex = readWinner(event) ?? winnerIndex;
        break;
      case "loop.started":
        fingerprint ??= event.fingerprint;
        break;
      case "round.planned": {
        const before = rounds.at(-1);
        // An empty plan is asked for again: what ended the loop then may have changed.
        if (event.tasks.length > 0)
          rounds.push({
            planned: event,
            first: before === undefined ? 0 : before.first + before.planned.tasks.length,
            endSeq: event.seq,
          });
        break;
      }
      case "decision.made": {
        const round = rounds.findIndex(({ planned }) => planned.round === event.round);
        if (round !== -1) rounds[round] = { ...(rounds[round] as RoundRecord), decision: event };
        break;
      }
      case "iteration.started":
        unended.add(event.iterationSessionId);
        iterations.set(event.index, { started: event, attempts: (iterations.get(event.index)?.attempts ?? 0) + 1 });
        break;
      case "verdict.given":
      case "iteration.ended": {
        const record = iterations.get(event.index);
        if (record !== undefined && event.type === "iteration.ended") unended.delete(record.started.iterationSessionId);
        if (record !== undefined)
          iterations.set(event.index, { ...record, [event.type === "verdict.given" ? "verdict" : "ended"]: event });
        break;
      }
      case "box.created":
      case "box.forked": {
        const { boxId, conversationId, index } = event;
        const mode = event.type === "box.created" ? "fresh" : event.mode;
        const from = event.type === "box.created" ? undefined : event.from;
        boxes.set(boxId, {
          boxId,
          mode,
          ...(conversationId === undefined ? {} : { conversationId }),
          ...(index === undefined ? {} : { index }),
          ...(from === undefined ? {} : { from }),
          deleted: false,
          seq: event.seq,
        });
        break;
      }
      case "box.deleted": {
        const box = boxes.get(event.boxId);
        if (box !== undefined) boxes.set(event.boxId, { ...box, deleted: true });
        break;
      }
      case "checkpoint.created":
        if (event.index !== undefined) checkpoints.set(event.index, event);
        break;
      case "checkpoint.deleted":
        for (const [index, { checkpointId }] of checkpoints)
          if (checkpointId === event.checkpointId) checkpoints.delete(index);
        break;
      default:
        break;
    }
  }
  return {
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(lastRunId === undefined ? {} : { lastRunId }),
    ...(winnerIndex === undefined ? {} : { winnerIndex }),
    rounds,
    iterations,
    boxes,
    checkpoints,
    unended: [...unended],
    elapsedMs,
  };
}

/** True when an iteration needs no second attempt: its end is on record, and it was neither aborted nor interrupted. */
export function isFinished({ ended }: IterationRecord): boolean {
  return ended?.status === "completed" || ended?.status === "failed";
}

/** The decision as the driver gave it. */
export function decisionOf(round: RoundRecord | undefined): { readonly decision: JsonValue } | undefined {
  return round?.decision === undefined ? undefined : { decision: round.decision.decision };
}
