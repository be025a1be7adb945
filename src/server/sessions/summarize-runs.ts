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

/** The runs of a session, oldest first, from all its events. */
export async function foldRuns(events: AsyncIterable<StoredEvent>): Promise<RunOverview[]> {
  const runs: RunOverview[] = [];
  for await (const event of events) {
    if (event.type === "run.started") {
      runs.push({
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
      });
      continue;
    }
    const run = runs.at(-1);
    if (run === undefined) continue;
    runs[runs.length - 1] = { ...run, lastSeq: event.seq, events: run.events + 1, ...changeBy(event, run) };
  }
  return runs;
}

function changeBy(event: StoredEvent, run: RunOverview): Partial<RunOverview> {
  if (event.type === "usage.reported" || event.type === "iteration.ended")
    return { usage: addUsage(run.usage, event.type === "iteration.ended" ? event.usage : event) };
  if (event.type !== "final") return {};
  return {
    status: event.status,
    reason: event.reason,
    ...(event.error === undefined ? {} : { error: event.error }),
    usage: event.usage,
    endedAt: event.at,
  };
}
