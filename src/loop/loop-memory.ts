import { ValidationError } from "../errors.ts";
import type { StoredEvent, StoredEventOf, Usage } from "../event/event.ts";
import { RunSummary } from "../event/run-summary.ts";
import { addUsage } from "../event/usage.ts";
import { mapWithConcurrency } from "../internal/map-with-concurrency.ts";
import type { Place } from "../lineage/branch.ts";
import type { SandboxLineage } from "../lineage/sandbox-lineage.ts";
import type { Box, CheckpointMode, SandboxClient } from "../sandbox/sandbox.ts";
import type { Session, SessionStore } from "../store/session-store.ts";
import type { Iteration, OutputAdapter, Plan } from "./loop-types.ts";
import type { BoxTrace, IterationRecord, LoopRecord } from "./loop-record.ts";
import { decisionOf, foldLoop, isFinished } from "./loop-record.ts";

/** A turn that was under way when its process died, in a box that still lives. */
export interface TurnInFlight {
  readonly sessionId: string;
  readonly turnId: string;
  readonly parentIndex?: number;
}

/**
 * What a loop's log already answers, so that a resumed loop asks nobody twice: plans, iterations, verdicts and decisions of earlier runs,
 * and the boxes that are still there. A new loop has an empty one.
 */
export class LoopMemory<Task, Output> {
  readonly #record: LoopRecord;
  readonly #store: SessionStore;
  readonly #output: OutputAdapter<Output>;
  /** Up to here the log is that of the loop that this one was forked from: its boxes and checkpoints are not ours. */
  readonly #borrowedSeq: number;
  /** The living boxes that the log names. */
  readonly #boxes = new Map<string, Box>();
  /** The latest place of each box that was taken over. */
  readonly #places = new Map<string, Place>();
  /** The checkpoints that this client has; undefined where it cannot tell. */
  #checkpointsHere: ReadonlyMap<string, CheckpointMode> | undefined;
  #usage: Usage = {};

  private constructor(record: LoopRecord, store: SessionStore, output: OutputAdapter<Output>, borrowedSeq: number) {
    this.#record = record;
    this.#store = store;
    this.#output = output;
    this.#borrowedSeq = borrowedSeq;
  }

  /** Reads the log of a session up to `historySeq`; 0: there is none. */
  static async read<Task, Output>(
    store: SessionStore,
    { id: sessionId, forkedFrom }: Session,
    historySeq: number,
    output: OutputAdapter<Output>,
  ): Promise<LoopMemory<Task, Output>> {
    const summary = new RunSummary();
    async function* history(): AsyncGenerator<StoredEvent> {
      if (historySeq === 0) return;
      for await (const event of store.read(sessionId, { limit: historySeq })) {
        summary.add(event);
        yield event;
      }
    }
    const memory = new LoopMemory<Task, Output>(await foldLoop(history()), store, output, forkedFrom?.atSeq ?? 0);
    memory.#usage = summary.usage;
    return memory;
  }

  get lastRunId(): string | undefined {
    return this.#record.lastRunId;
  }

  /** Tokens and cost of earlier runs, also of attempts that were cut off with their box. */
  get usage(): Usage {
    return this.#usage;
  }

  get elapsedMs(): number {
    return this.#record.elapsedMs;
  }

  /** @throws ValidationError `loop_changed` */
  requireSame(fingerprint: string): void {
    const was = this.#record.fingerprint;
    if (was === undefined || was === fingerprint) return;
    throw new ValidationError(
      "loop_changed",
      "The loop's driver, agent runs or validator are not those that its log was made with; resume it with the same ones, or say allowChanged to go on all the same.",
    );
  }

  /** Finds the boxes and checkpoints of earlier runs again, and deletes the boxes that nothing needs: unknown to the log, or made for an iteration that never began. */
  async attachBoxes(client: SandboxClient, sessionId: string, maxConcurrency: number): Promise<void> {
    // What the log names may be on another machine, where the loop was before.
    if (client.listCheckpoints !== undefined && this.#record.checkpoints.size > 0)
      this.#checkpointsHere = new Map((await client.listCheckpoints()).map(({ id, mode }) => [id, mode]));
    if (client.attach === undefined || this.#record.lastRunId === undefined) return;
    const needed = new Set([...this.#record.iterations.values()].map(({ started }) => started.boxId));
    const known = [...this.#record.boxes.values()]
      .filter(({ deleted, seq }) => !deleted && seq > this.#borrowedSeq)
      .map(({ boxId }) => boxId);
    const listed = (await client.list?.({ "skein.session": sessionId })) ?? [];
    const ids = [...new Set([...known, ...listed.map(({ id }) => id)])];
    await mapWithConcurrency(ids, maxConcurrency, async (id) => {
      const box = await client.attach?.(id);
      if (box === null || box === undefined) return;
      if (needed.has(id)) this.#boxes.set(id, box);
      else await box.delete().catch(() => {});
    });
  }

  /**
   * What was spent by attempts that nothing goes on with: their end, which would have said it, was never recorded. To be asked once it is known which
   * boxes still live, for a turn that goes on says at its end what all of it took.
   */
  async countLostAttempts(): Promise<void> {
    const inFlight = new Set([...this.#record.iterations.keys()].map((index) => this.turnInFlight(index)?.sessionId));
    for (const sessionId of this.#record.unended) {
      if (inFlight.has(sessionId) || (await this.#store.get(sessionId)) === undefined) continue;
      for await (const event of this.#store.read(sessionId))
        if (event.type === "usage.reported") this.#usage = addUsage(this.#usage, event);
    }
  }

  /** The checkpoint at whose iteration's end the log says that one was taken, wherever it is. */
  checkpointOf(index: number): StoredEventOf<"checkpoint.created"> | undefined {
    return this.#record.checkpoints.get(index);
  }

  /** The iteration for which the box that an iteration ran in was made fresh: forks are made of what their first parent was. */
  originOf(index: number): number {
    const boxId = this.#record.iterations.get(index)?.started.boxId;
    let box = boxId === undefined ? undefined : this.#record.boxes.get(boxId);
    while (box !== undefined && box.mode !== "fresh") {
      const parent: BoxTrace | undefined = box.from === undefined ? undefined : this.#record.boxes.get(box.from);
      if (parent === undefined || parent.seq >= box.seq) break;
      box = parent;
    }
    return box?.index ?? index;
  }

  /** A checkpoint that was brought here from another machine. */
  adoptCheckpoint(checkpoint: StoredEventOf<"checkpoint.created">, place: Place, lineage: SandboxLineage): void {
    lineage.adoptCheckpoint(place, checkpoint, checkpoint.seq <= this.#borrowedSeq);
  }

  plan(round: number): Plan<Task> | undefined {
    const planned = this.#record.rounds[round]?.planned;
    if (planned === undefined) return undefined;
    const { tasks, parentIndex, keep, endWhen, rationale } = planned;
    return {
      tasks: tasks as unknown as readonly Task[],
      ...(parentIndex === undefined ? {} : { parentIndex }),
      ...(keep === undefined ? {} : { keep }),
      ...(endWhen === undefined ? {} : { endWhen }),
      ...(rationale === undefined ? {} : { rationale }),
    };
  }

  decision(round: number): { readonly decision: unknown } | undefined {
    return decisionOf(this.#record.rounds[round]);
  }

  /** Who won, by the last run that had a winner. */
  get winnerIndex(): number | undefined {
    return this.#record.winnerIndex;
  }

  isFinished(index: number): boolean {
    const record = this.#record.iterations.get(index);
    return record !== undefined && isFinished(record);
  }

  /** How often an iteration was begun before. */
  attempts(index: number): number {
    return this.#record.iterations.get(index)?.attempts ?? 0;
  }

  /** The turn of an iteration whose end is not on record, if its box still lives and can be asked. */
  turnInFlight(index: number): TurnInFlight | undefined {
    const record = this.#record.iterations.get(index);
    if (record === undefined || record.ended !== undefined) return undefined;
    const { boxId, turnId, iterationSessionId: sessionId, parentIndex } = record.started;
    const box = boxId === undefined ? undefined : this.#boxes.get(boxId);
    if (box?.resumeTurn === undefined || turnId === undefined) return undefined;
    return { sessionId, turnId, ...(parentIndex === undefined ? {} : { parentIndex }) };
  }

  /** The finished iteration as its process had it, with its output derived from its events again. */
  async iteration(
    index: number,
    task: Task,
    lineage: SandboxLineage,
  ): Promise<{ iteration: Iteration<Task, Output>; place: Place | undefined }> {
    const { started, ended, verdict } = this.#record.iterations.get(index) as Required<IterationRecord>;
    const { round, iterationSessionId: sessionId, agentRunName, parentIndex, boxId } = started;
    const events: StoredEvent[] = [];
    if ((await this.#store.get(sessionId)) !== undefined)
      for await (const event of this.#store.read(sessionId)) events.push(event);
    const failed =
      ended.error?.code === "output_failed" ||
      events.at(-1)?.type !== "final" ||
      (ended.status === "failed" && ended.error?.code !== "validator_failed");
    const iteration: Iteration<Task, Output> = {
      index,
      round,
      ...(parentIndex === undefined ? {} : { parentIndex }),
      task,
      agentRunName,
      ...(failed ? {} : { output: this.#output.parse(events) }),
      ...(verdict === undefined ? {} : { verdict: toVerdict(verdict) }),
      ...(ended.error === undefined ? {} : { error: ended.error }),
      events,
      usage: ended.usage,
      sessionId,
      ...(boxId === undefined ? {} : { boxId }),
      startedAt: started.at,
      endedAt: ended.at,
    };
    return { iteration, place: this.takeOver(index, lineage) };
  }

  /** Makes the box of an iteration the lineage's own; undefined where it never had one. */
  takeOver(index: number, lineage: SandboxLineage): Place | undefined {
    const boxId = this.#record.iterations.get(index)?.started.boxId;
    const trace = boxId === undefined ? undefined : this.#record.boxes.get(boxId);
    if (boxId === undefined || trace === undefined) return undefined;
    const before = this.#places.get(boxId);
    const place =
      before === undefined
        ? lineage.adopt(trace, this.#boxes.get(boxId) ?? null, index)
        : lineage.adoptTurn(before, index);
    this.#places.set(boxId, place);
    const checkpoint = this.#record.checkpoints.get(index);
    // One that came here without its memory is looked at anew.
    const here = this.#checkpointsHere;
    if (checkpoint !== undefined && (here === undefined || here.get(checkpoint.checkpointId) === checkpoint.mode))
      this.adoptCheckpoint(checkpoint, place, lineage);
    return place;
  }
}

function toVerdict({
  valid,
  score,
  scores,
  notes,
}: Required<IterationRecord>["verdict"]): NonNullable<Iteration<unknown, unknown>["verdict"]> {
  return { valid, score, ...(scores === undefined ? {} : { scores }), ...(notes === undefined ? {} : { notes }) };
}
