import type { ErrorDetail, JsonValue, RunStatus, StoredEvent, Usage } from "../../event/event.ts";
import { addUsage } from "../../event/usage.ts";

/** One run of a session, without its text and tool calls. */
export interface RunOverview {
  readonly runId: string;
  readonly kind: "task" | "loop";
  readonly task: JsonValue;
  readonly status: "running" | RunStatus;
  readonly reason?: string;
  readonly error?: ErrorDetail;
  /** The interrupted run that it goes on from. */
  readonly continues?: string;
  readonly usage: Usage;
  readonly startedSeq: number;
  /** Its last event so far. */
  readonly lastSeq: number;
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly events: number;
}

/** The runs of a session, oldest first, folded from its events as they come. */
export class RunsFold {
  readonly #runs: RunOverview[] = [];
  /** The last run: changed in place, for a run may have very many events. */
  #open: { -readonly [Field in keyof RunOverview]: RunOverview[Field] } | undefined;

  add(event: StoredEvent): void {
    if (event.type === "run.started") {
      this.#open = {
        runId: event.runId,
        kind: event.kind,
        task: event.task,
        status: "running",
        ...(event.continues === undefined ? {} : { continues: event.continues }),
        usage: {},
        startedSeq: event.seq,
        lastSeq: event.seq,
        startedAt: event.at,
        events: 1,
      };
      this.#runs.push(this.#open);
      return;
    }
    const run = this.#open;
    if (run === undefined) return;
    run.lastSeq = event.seq;
    run.events += 1;
    if (event.type === "usage.reported" || event.type === "iteration.ended")
      run.usage = addUsage(run.usage, event.type === "iteration.ended" ? event.usage : event);
    else if (event.type === "final") {
      run.status = event.status;
      run.reason = event.reason;
      if (event.error !== undefined) run.error = event.error;
      run.usage = event.usage;
      run.endedAt = event.at;
    }
  }

  /** As they are now; what comes later does not change the answer. */
  toRuns(): RunOverview[] {
    return this.#runs.map((run) => ({ ...run }));
  }
}
