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
    case "run.started":
      return {
        ...state,
        status: "running",
        openRun: { runId: event.runId, startedSeq: event.seq },
        lastRunId: event.runId,
      };
    case "session.created": {
      // A conversation that begins anew has no token of an older one.
      const { resumeToken: _old, ...rest } = state;
      return {
        ...rest,
        backend: event.backend,
        ...(event.resumeToken === undefined ? {} : { resumeToken: event.resumeToken }),
      };
    }
    case "session.resumed":
      return {
        ...state,
        backend: event.backend,
        ...(event.resumeToken === undefined ? {} : { resumeToken: event.resumeToken }),
      };
    case "backend.started":
      return state.backend === event.backend ? state : { ...state, backend: event.backend };
    case "final": {
      const { openRun: _closed, ...rest } = state;
      return { ...rest, status: event.status };
    }
    default:
      return state;
  }
}
