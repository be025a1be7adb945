import { ValidationError } from "../errors.ts";
import type { StoredEvent } from "../event/event.ts";
import { InterruptedRun } from "./interrupted-run.ts";
import { NO_RUN, foldRunState } from "./run-state.ts";
import type { RunState } from "./run-state.ts";

/** What a fork begins with. */
export interface ForkPoint {
  readonly state: RunState;
  /** The run that was open at the position, to be closed by the fork's first own event. */
  readonly openRun?: InterruptedRun;
}

/** @throws ValidationError `fork_position` for what is not a position of this log */
export function checkForkRange(sessionId: string, atSeq: number, lastSeq: number): void {
  if (Number.isInteger(atSeq) && atSeq >= 1 && atSeq <= lastSeq) return;
  const range = lastSeq === 0 ? "it has no events yet" : `its positions are 1 to ${lastSeq}`;
  throw new ValidationError(
    "fork_position",
    `Session ${JSON.stringify(sessionId)} cannot be forked at ${String(atSeq)}: ${range}.`,
  );
}

/**
 * Reads a log until it knows what a fork at `atSeq` begins with. Inside a tool call there is no answer, since the call's other half
 * would be missing; the reading then goes on to the next clean position, to name it.
 *
 * @throws ValidationError `fork_position`
 */
export async function findForkPoint(
  sessionId: string,
  atSeq: number,
  events: AsyncIterable<StoredEvent>,
): Promise<ForkPoint> {
  const calls = new Set<string>();
  let state = NO_RUN;
  let run: InterruptedRun | undefined;
  let before = 0;
  for await (const event of events) {
    foldOpenCalls(calls, event);
    if (event.seq <= atSeq) {
      state = foldRunState(state, event);
      if (event.type === "run.started") run = new InterruptedRun();
      run?.add(event);
      if (state.openRun === undefined) run = undefined;
      if (calls.size === 0) before = event.seq;
      if (event.seq === atSeq && before === atSeq) return run === undefined ? { state } : { state, openRun: run };
    } else if (calls.size === 0) {
      throw insideToolCall(sessionId, atSeq, before, event.seq);
    }
  }
  throw insideToolCall(sessionId, atSeq, before, undefined);
}

function foldOpenCalls(calls: Set<string>, event: StoredEvent): void {
  if (event.type === "tool.started") calls.add(event.toolCallId);
  else if (event.type === "tool.ended") calls.delete(event.toolCallId);
  else if (event.type === "run.started" || event.type === "final") calls.clear();
}

function insideToolCall(sessionId: string, atSeq: number, before: number, after: number | undefined): ValidationError {
  const places = [...(before > 0 ? [`${before} before`] : []), ...(after === undefined ? [] : [`${after} after it`])];
  const advice =
    places.length > 0 ? `the nearest clean positions are ${places.join(" and ")}` : "it has no clean position yet";
  return new ValidationError(
    "fork_position",
    `Session ${JSON.stringify(sessionId)} cannot be forked at ${atSeq}, inside an open tool call; ${advice}.`,
  );
}
