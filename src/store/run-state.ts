import type { StoredEvent } from "../event/event.ts";
import type { Session } from "./session-store.ts";

/** The part of a session that its events decide. */
export type RunState = Pick<Session, "status" | "openRun" | "lastRunId" | "backend" | "resumeToken">;

/** A session before its first event. */
export const NO_RUN: RunState = { status: "created" };

/**
 * The state after one more event. Pure, so that every adapter, and a fork that reads a prefix again, comes to the same answer.
 * The state itself is given back where the event changes nothing, as nearly all do.
 */
export function foldRunState(state: RunState, event: StoredEvent): RunState {
  switch (event.type) {
    case "run.started": {
      const openRun = { runId: event.runId, startedSeq: event.seq };
      return toState("running", openRun, event.runId, state.backend, state.resumeToken);
    }
    case "session.created":
      // A conversation that begins anew has no token of an older one.
      return toState(state.status, state.openRun, state.lastRunId, event.backend, event.resumeToken);
    case "session.resumed": {
      const resumeToken = event.resumeToken ?? state.resumeToken;
      return toState(state.status, state.openRun, state.lastRunId, event.backend, resumeToken);
    }
    case "backend.started":
      if (state.backend === event.backend) return state;
      return toState(state.status, state.openRun, state.lastRunId, event.backend, state.resumeToken);
    case "final":
      return toState(event.status, undefined, state.lastRunId, state.backend, state.resumeToken);
    default:
      return state;
  }
}

/** Field by field: an iteration of a loop passes here several times, and a copy of an object with some fields left out costs ten times as much. */
function toState(
  status: RunState["status"],
  openRun: RunState["openRun"],
  lastRunId: RunState["lastRunId"],
  backend: RunState["backend"],
  resumeToken: RunState["resumeToken"],
): RunState {
  const state: { -readonly [Field in keyof RunState]: RunState[Field] } = { status };
  if (openRun !== undefined) state.openRun = openRun;
  if (lastRunId !== undefined) state.lastRunId = lastRunId;
  if (backend !== undefined) state.backend = backend;
  if (resumeToken !== undefined) state.resumeToken = resumeToken;
  return state;
}
