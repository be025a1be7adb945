import { FencedError } from "../errors.ts";
import type { JsonValue, StoredEvent, StoredEventOf, Usage } from "../event/event.ts";
import { toWinnerEvent } from "../event/loop-winner.ts";
import { addUsage } from "../event/usage.ts";
import { linkSignals, settleOrAbort, throwIfAborted } from "../internal/abort.ts";
import { mapWithConcurrency } from "../internal/map-with-concurrency.ts";
import type { Place } from "../lineage/branch.ts";
import type { SandboxLineage } from "../lineage/sandbox-lineage.ts";
import { createSandboxLineage } from "../lineage/sandbox-lineage.ts";
import { fetchCheckpoint } from "../lineage/stored-checkpoint.ts";
import { probeSandboxCapabilities } from "../sandbox/capabilities.ts";
import type { CheckpointMode, CreateBoxOptions } from "../sandbox/sandbox.ts";
import type { SessionStore } from "../store/session-store.ts";
import type { OpenSession } from "../stream/open-session.ts";
import { LoopAllowance } from "./budget.ts";
import { Descent } from "./descent.ts";
import { LoopLog } from "./loop-log.ts";
import type { LoopOpening } from "./loop-log.ts";
import { nameOf, toLoopStart } from "./loop-start.ts";
import { toLoopFinal } from "./loop-final.ts";
import type { RoundsEnd } from "./loop-final.ts";
import type { LoopMemory } from "./loop-memory.ts";
import type { AgentRunSpec, Iteration, LoopResult, LoopWinner, RunLoopOptions } from "./loop-types.ts";
import { pruneAfterRound, pruneBeforeRound, takeForkPoints } from "./keep-boxes.ts";
import type { BoxRules, PlannedBox } from "./plan-boxes.ts";
import { planBoxes } from "./plan-boxes.ts";
import type { RoundPlan } from "./round-plan.ts";
import { parsePlan } from "./round-plan.ts";
import type { IterationOutcome } from "./run-iteration.ts";
import { runIteration } from "./run-iteration.ts";
import { selectWinner, toWinner } from "./select-winner.ts";
import type { LoopSettings } from "./validate-loop-options.ts";

/** The decisions that end a loop; any other word goes on. */
const LAST_DECISIONS: ReadonlySet<unknown> = new Set(["stop", "done", "pick-winner", "fail"]);

/** One run of a loop in its session. See `runLoop`. */
export class LoopRun<Task, Output, Decision> {
  readonly #options: RunLoopOptions<Task, Output, Decision>;
  readonly #settings: LoopSettings<Task>;
  readonly #store: SessionStore;
  readonly #memory: LoopMemory<Task, Output>;
  readonly #sessionId: string;
  readonly #runId: string;
  readonly #fingerprint: string;
  readonly #begun: readonly StoredEvent[] | undefined;
  readonly #stop: ReturnType<typeof linkSignals>;
  readonly #log: LoopLog;
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #allowance: LoopAllowance;
  readonly #history: Iteration<Task, Output>[] = [];
  /** Boxes handed to the caller: they stay until the end. */
  readonly #handed: Place[] = [];
  #chosen: { readonly winner: LoopWinner<Task, Output> | undefined } | undefined;

  constructor(
    options: RunLoopOptions<Task, Output, Decision>,
    settings: LoopSettings<Task>,
    store: SessionStore,
    { session, writer, events }: OpenSession,
    memory: LoopMemory<Task, Output>,
    opening: LoopOpening & { readonly fingerprint: string },
  ) {
    this.#runId = opening.runId;
    this.#fingerprint = opening.fingerprint;
    this.#begun = events;
    this.#memory = memory;
    this.#options = options;
    this.#settings = settings;
    this.#store = store;
    this.#sessionId = session.id;
    this.#now = options.now ?? Date.now;
    this.#startedAt = this.#now();
    this.#allowance = new LoopAllowance(
      options.budget ?? {},
      () => this.#usage,
      () => this.#elapsedMs,
    );
    this.#stop = linkSignals(options.signal, writer.lost);
    this.#log = new LoopLog(
      writer,
      opening,
      (event) => this.#hear(event),
      (error) => this.#stop.controller.abort(error),
    );
  }

  async execute(): Promise<LoopResult<Task, Output, Decision>> {
    let lineage: SandboxLineage | undefined;
    let end: RoundsEnd<Decision> | undefined;
    let failure: { readonly error: unknown } | undefined;
    try {
      this.#recordStart();
      await this.#log.drain();
      lineage = await this.#createLineage();
      await this.#memory.attachBoxes(this.#options.sandboxClient, this.#sessionId, this.#settings.maxConcurrency);
      await this.#memory.countLostAttempts();
      end = await this.#runRounds(lineage);
      if (this.#chosen === undefined) this.#recordWinner(this.#chooseWinner());
    } catch (error) {
      failure = { error: this.#firstFailure(error) };
      this.#stop.controller.abort(error);
    }
    // Whoever took the session over has taken its boxes over too.
    if (!(failure?.error instanceof FencedError))
      await lineage?.teardown({ keepCheckpoints: this.#settings.everyRound });
    if (this.#options.onWorkerBox !== undefined && this.#handed.length > 0) this.#options.onWorkerBox(undefined);
    const final = toLoopFinal({
      end,
      failure,
      isAborted: this.#options.signal?.aborted === true,
      isNothingValid:
        this.#options.validator !== undefined && !this.#history.some(({ verdict }) => verdict?.valid === true),
      usage: this.#log.usage,
      durationMs: Math.max(0, Math.round(this.#now() - this.#startedAt)),
    });
    if (!this.#log.failed) {
      await this.#log.end(final).catch((error: unknown) => (failure ??= { error }));
    }
    this.#stop.unlink();
    if (failure !== undefined) throw failure.error;
    const { status, reason, durationMs } = final;
    return {
      sessionId: this.#sessionId,
      runId: this.#runId,
      status,
      reason,
      ...(end?.decision === undefined ? {} : { decision: end.decision }),
      iterations: this.#history,
      ...(this.#chosen?.winner === undefined ? {} : { winner: this.#chosen.winner }),
      usage: this.#usage,
      durationMs,
    };
  }

  /** Of all runs of the loop. */
  get #usage(): Usage {
    return addUsage(this.#memory.usage, this.#log.usage);
  }

  /** Milliseconds of all runs of the loop. */
  get #elapsedMs(): number {
    return this.#memory.elapsedMs + this.#now() - this.#startedAt;
  }

  /** What stopped the loop first; an iteration that was cut short by it only says "aborted". */
  #firstFailure(error: unknown): unknown {
    const { signal } = this.#stop.controller;
    return signal.aborted && this.#options.signal?.aborted !== true ? signal.reason : error;
  }

  /** A listener that throws ends the loop, not the log. */
  #hear(event: StoredEvent): void {
    try {
      this.#options.onEvent?.(event);
    } catch (error) {
      this.#stop.controller.abort(error);
    }
  }

  #recordStart(): void {
    if (this.#begun !== undefined) {
      this.#log.begin(this.#begun);
      return;
    }
    for (const body of toLoopStart(this.#options, this.#settings, this.#fingerprint, this.#memory.lastRunId))
      this.#log.record(body);
  }

  async #createLineage(): Promise<SandboxLineage> {
    const { sandboxClient } = this.#options;
    const { fanout, everyRound, checkpointsTravel, maxConcurrency } = this.#settings;
    // A client is only asked for what a flag needs: off means off (K1).
    const capabilities =
      fanout || everyRound
        ? await probeSandboxCapabilities(sandboxClient)
        : { canFork: false, reason: "forkFanout is off" };
    return createSandboxLineage(sandboxClient, capabilities, {
      maxConcurrency,
      record: (body) => this.#log.record(body),
      ...(checkpointsTravel ? { store: this.#store, signal: this.#stop.controller.signal } : {}),
    });
  }

  async #runRounds(lineage: SandboxLineage): Promise<RoundsEnd<Decision>> {
    const descent = new Descent(lineage);
    let namesParents = this.#options.driver.namesParents === true;
    for (let round = 0; ; round++) {
      const plan = await this.#plan(round);
      if (plan.tasks.length === 0) return { reason: "nothing_left", decision: await this.#decide(round) };
      namesParents ||= plan.parents !== undefined;
      const before = this.#history.length;
      if (this.#shares) await pruneBeforeRound(lineage, descent, plan);
      const spent = await this.#runRound(lineage, descent, plan, round);
      if (this.#shares && this.#settings.everyRound)
        await takeForkPoints(lineage, descent, this.#history.slice(before), this.#settings);
      await this.#log.drain();
      const decision = await this.#decide(round);
      if (LAST_DECISIONS.has(decision)) return { reason: String(decision), decision };
      if (spent) return { reason: "budget_exhausted", decision };
      if (this.#history.length >= this.#settings.maxIterations) return { reason: "max_iterations", decision };
      if (this.#shares)
        await pruneAfterRound(lineage, descent, plan, { namesParents, made: this.#history.slice(before) });
    }
  }

  async #plan(round: number): Promise<RoundPlan<Task>> {
    const { driver, task } = this.#options;
    const { signal } = this.#stop.controller;
    throwIfAborted(signal);
    const known = this.#memory.plan(round);
    if (known !== undefined) return parsePlan<Task>(known, this.#history.length, Number.POSITIVE_INFINITY);
    const answer = await settleOrAbort(driver.plan(task, this.#history, { signal }), signal);
    const plan = parsePlan<Task>(answer, this.#history.length, this.#settings.maxIterations - this.#history.length);
    const { tasks, parents, cut, keep, firstValid, rationale } = plan;
    this.#log.record({
      type: "round.planned",
      round,
      tasks: tasks as readonly JsonValue[],
      ...(parents === undefined ? {} : { parentIndex: parents }),
      ...(cut === 0 ? {} : { cut }),
      ...(keep === undefined ? {} : { keep }),
      ...(firstValid ? { endWhen: "first-valid" as const } : {}),
      ...(rationale === undefined ? {} : { rationale }),
    });
    throwIfAborted(signal);
    return plan;
  }

  async #decide(round: number): Promise<Decision> {
    const { signal } = this.#stop.controller;
    throwIfAborted(signal);
    const known = this.#memory.decision(round);
    if (known !== undefined) {
      if (LAST_DECISIONS.has(known.decision)) this.#recordWinner(this.#chooseWinner(true));
      return known.decision as Decision;
    }
    const decision = await settleOrAbort(this.#options.driver.decide(this.#history, { signal }), signal);
    const isLast = LAST_DECISIONS.has(decision);
    const winner = isLast ? this.#chooseWinner() : undefined;
    this.#log.record({ type: "decision.made", round, decision: (decision ?? null) as JsonValue });
    // In one append with the decision.
    if (isLast) this.#recordWinner(winner);
    throwIfAborted(signal);
    return decision;
  }

  /** Runs the tasks of a round in bounded parallel; true where the budget kept some from starting. */
  async #runRound(lineage: SandboxLineage, descent: Descent, plan: RoundPlan<Task>, round: number): Promise<boolean> {
    // Only a round that one of its own can end needs a signal of its own.
    const race = plan.firstValid ? linkSignals(this.#stop.controller.signal) : undefined;
    const { signal } = (race ?? this.#stop).controller;
    const first = this.#history.length;
    const finished = plan.tasks.map((_task, offset) => this.#memory.isFinished(first + offset));
    // A round that the log holds whole needs no boxes any more.
    const boxes = finished.includes(false)
      ? await planBoxes(plan, {
          first,
          lineage,
          descent,
          memory: this.#memory,
          fetch: (checkpoint) => this.#fetchCheckpoint(checkpoint),
          ...this.#boxRules,
        })
      : [];
    let exhausted = false;
    const runTask = async (task: Task, offset: number): Promise<Ended<Task, Output> | undefined> => {
      if (finished[offset] === true) return this.#recall(lineage, task, first + offset);
      exhausted ||= this.#allowance.isExhausted;
      if (exhausted) return undefined;
      try {
        const outcome = await this.#runTask(lineage, boxes[offset] as PlannedBox, task, first + offset, round, signal);
        const { usage, agentRunName } = outcome.iteration;
        this.#allowance.requireMeasured(outcome.status === "completed" ? usage : undefined, agentRunName);
        if (outcome.iteration.verdict?.valid === true)
          race?.controller.abort(new Error("another iteration of the round was valid first"));
        return outcome;
      } catch (error) {
        // The others of the round have nothing to wait for any more.
        this.#stop.controller.abort(error);
        throw error;
      }
    };
    try {
      const outcomes = await mapWithConcurrency(plan.tasks, this.#settings.maxConcurrency, runTask);
      throwIfAborted(this.#stop.controller.signal);
      for (const outcome of outcomes) {
        if (outcome === undefined) continue;
        this.#history.push(outcome.iteration);
        descent.add(outcome.iteration, outcome.place);
      }
    } finally {
      race?.unlink();
    }
    return exhausted;
  }

  /** An iteration of an earlier run, as the log has it. */
  async #recall(lineage: SandboxLineage, task: Task, index: number): Promise<Ended<Task, Output>> {
    const recalled = await this.#memory.iteration(index, task, lineage);
    if (recalled.place !== undefined && !this.#shares) await lineage.release(recalled.place);
    return recalled;
  }

  /** From the store, where the machine on which the loop was before has put it. */
  async #fetchCheckpoint(checkpoint: StoredEventOf<"checkpoint.created">): Promise<CheckpointMode> {
    const { checkpointId, index, stored } = checkpoint;
    if (stored === undefined || index === undefined) return checkpoint.mode;
    const { specs } = this.#settings;
    const { box, profile } = specs[this.#memory.originOf(index) % specs.length] as AgentRunSpec<Task>;
    const { signal } = this.#stop.controller;
    const { sandboxClient } = this.#options;
    const mode = await fetchCheckpoint(
      sandboxClient,
      this.#store,
      { checkpointId, stored },
      { ...box, profile, signal },
    );
    const data = { checkpointId, index, size: stored.size };
    this.#log.record({ type: "custom", name: "checkpoint.fetched", data });
    return mode;
  }

  get #boxRules(): BoxRules {
    const { continuity, fanout, onlyMemory } = this.#settings;
    return { continuity, fanout, onlyMemory, freshWhenLost: this.#options.onLostBox === "fresh" };
  }

  get #shares(): boolean {
    return this.#settings.continuity || this.#settings.fanout;
  }

  async #runTask(
    lineage: SandboxLineage,
    { parentIndex, place, how, reason }: PlannedBox,
    task: Task,
    index: number,
    round: number,
    signal: AbortSignal,
  ): Promise<IterationOutcome<Task, Output>> {
    const { output, validator, redact, onWorkerBox } = this.#options;
    const { specs, onlyMemory } = this.#settings;
    const spec = specs[index % specs.length] as AgentRunSpec<Task>;
    const shares = this.#shares;
    const inFlight = this.#memory.turnInFlight(index);
    const attempts = this.#memory.attempts(index);
    const labels = { "skein.session": this.#sessionId, "skein.run": this.#runId, "skein.iteration": String(index) };
    const fresh: CreateBoxOptions = {
      ...spec.box,
      profile: spec.profile,
      labels: { ...spec.box?.labels, ...labels },
      signal,
    };
    const { maxDurationMs = Number.POSITIVE_INFINITY } = this.#options.budget ?? {};
    const remainingMs = (): number => maxDurationMs - this.#elapsedMs;
    const acquire = async (): Promise<Place> => {
      throwIfAborted(signal);
      if (inFlight !== undefined) return this.#memory.takeOver(index, lineage) as Place;
      if (place !== undefined && how === "continue") {
        return lineage.continue(place, { index, ...(parentIndex === undefined ? {} : { from: parentIndex }) });
      }
      if (place !== undefined) {
        const atSeq = parentIndex === undefined ? undefined : this.#history[parentIndex]?.events.at(-1)?.seq;
        await lineage.checkpoint(place, { onlyMemory, ...(atSeq === undefined ? {} : { atSeq }) });
        const name = `${this.#sessionId}.${index}`;
        return lineage.fork(place, { fresh, onlyMemory, name, labels, signal, index, remainingMs });
      }
      const why = reason === undefined ? {} : { reason };
      return lineage.start(fresh, { conversation: shares, signal, index, remainingMs, ...why });
    };
    const outcome = await runIteration<Task, Output>(
      {
        loopSessionId: this.#sessionId,
        loopRunId: this.#runId,
        store: this.#store,
        log: this.#log,
        output,
        ...(validator === undefined ? {} : { validator }),
        ...(redact === undefined ? {} : { redact }),
        onEvent: (event) => this.#hear(event),
        now: this.#now,
        allowance: this.#allowance,
      },
      {
        index,
        round,
        task,
        spec,
        agentRunName: nameOf(spec),
        ...(parentIndex === undefined ? {} : { parentIndex }),
        acquire,
        continues: how === "continue",
        attempts,
        ...(inFlight === undefined ? {} : { inFlight }),
        signal,
      },
    );
    if (outcome.place !== undefined && !shares) {
      if (onWorkerBox === undefined) await lineage.release(outcome.place);
      else {
        this.#handed.push(outcome.place);
        onWorkerBox(outcome.place.branch.box);
      }
    }
    return outcome;
  }

  /** The winner, chosen once: one that stands beside a decision in the log stays what it is, so that no judge is asked twice. */
  #chooseWinner(isRecalled = false): LoopWinner<Task, Output> | undefined {
    const { selectWinner: own, driver } = this.#options;
    const recalled = isRecalled ? this.#history.find(({ index }) => index === this.#memory.winnerIndex) : undefined;
    if (own !== undefined) return own(this.#history);
    if (recalled !== undefined) return toWinner(recalled);
    return driver.selectWinner === undefined ? selectWinner(this.#history) : driver.selectWinner(this.#history);
  }

  #recordWinner(winner: LoopWinner<Task, Output> | undefined): void {
    this.#chosen = { winner };
    if (winner !== undefined) this.#log.record(toWinnerEvent(winner.iterationIndex));
  }
}

/** An iteration that ended, and where. */
interface Ended<Task, Output> {
  readonly iteration: Iteration<Task, Output>;
  readonly place?: Place | undefined;
}
