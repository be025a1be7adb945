import { useMemo } from "preact/hooks";
import type { Session } from "../../store/session-store.ts";
import { useObservable } from "../data/observable.ts";
import { access } from "../data/server-access.ts";
import { postJson } from "../data/server.ts";
import type { SessionLog } from "../data/session-log.ts";
import { goTo } from "../shell/route.ts";
import { ActionButton } from "./action-button.tsx";
import { InputField, inputOf, readInput } from "./input-field.tsx";

export interface SessionActionsProps {
  readonly session: Session | undefined;
  readonly log: SessionLog;
  readonly status: string;
  /** How many events the scrubber shows; undefined for all. */
  readonly position: number | undefined;
}

/** What can be done with a session: only what the caller may, and the server can, is offered. */
export function SessionActions({ session, log, status, position }: SessionActionsProps) {
  useObservable(access);
  const isRoot = session !== undefined && session.parentId === undefined;
  const offer = isRoot ? access.offerOf(session.labels["skein.run"]) : undefined;
  const isOver = status !== "running" && status !== "created";
  const rounds = useMemo(() => (offer?.kind === "loop" ? roundsOf(log) : []), [offer, log, log.events.length]);
  if (session === undefined || !access.mayWrite) return null;
  const mayFork = offer?.kind === "loop" ? rounds.length > 0 : log.lastSeq > 0;
  const mayResume = offer !== undefined && isOver && (offer.kind === "task" || status !== "completed");
  const path = `/api/sessions/${encodeURIComponent(session.id)}`;
  const runPath = `/api/runs/${encodeURIComponent(session.id)}`;
  return (
    <span class="session-actions">
      {status === "running" && isRoot ? (
        <ActionButton
          word="Abort"
          keyName="a"
          question="Abort this run? What it produced until now is kept; the run ends as aborted."
          yes="Abort it"
          no="Let it run"
          danger
          act={async () => void (await postJson(`${path}/abort`, {}))}
        />
      ) : null}
      {mayResume ? (
        <ActionButton
          word="Resume"
          keyName="R"
          question={
            offer.kind === "task"
              ? `Begin a new run of ${offer.name} in this session? It knows what was said before.`
              : "Go on with this loop where it stopped? Nothing that its log holds is done again."
          }
          yes="Resume it"
          no="Leave it"
          act={async (fields) =>
            void (await postJson(`${runPath}/resume`, offer.kind === "task" ? { input: readInput(fields) } : {}))
          }
        >
          {offer.kind === "task" ? <InputField input={inputOf(session.labels)} /> : null}
        </ActionButton>
      ) : null}
      {mayFork ? (
        <ActionButton
          word="Fork"
          keyName="F"
          question={
            offer?.kind === "loop"
              ? "Begin a loop that shares the rounds up to one of these, and goes its own way from there?"
              : "Begin a session that shares the events up to a position? This one stays as it is."
          }
          yes="Fork it"
          no="Leave it"
          act={async (fields) => {
            const at = Number(fields.get("at"));
            const child = await postJson<{ id?: string; sessionId?: string }>(
              offer?.kind === "loop" ? `${runPath}/fork` : `${path}/fork`,
              offer?.kind === "loop" ? { atRound: at } : { atSeq: at },
            );
            const id = child.id ?? child.sessionId;
            if (id !== undefined) goTo({ view: "session", id });
          }}
        >
          {offer?.kind === "loop" ? (
            <label class="field">
              After round
              <select name="at">
                {rounds.map((round) => (
                  <option value={String(round)}>{round}</option>
                ))}
              </select>
            </label>
          ) : (
            <label class="field">
              After event
              <input
                type="number"
                name="at"
                min={1}
                max={log.lastSeq}
                required
                autofocus
                defaultValue={String(log.events[(position ?? log.events.length) - 1]?.seq ?? log.lastSeq)}
              />
            </label>
          )}
        </ActionButton>
      ) : null}
    </span>
  );
}

/** The rounds that can be forked: an iteration of theirs has a checkpoint. */
function roundsOf(log: SessionLog): number[] {
  const rounds = new Map<number, number>();
  const found = new Map<string, number>();
  for (const event of log.events) {
    if (event.type === "iteration.started") rounds.set(event.index, event.round);
    else if (event.type === "checkpoint.deleted") found.delete(event.checkpointId);
    else if (event.type === "checkpoint.created") {
      const round = rounds.get(event.index ?? -1);
      if (round !== undefined) found.set(event.checkpointId, round);
    }
  }
  return [...new Set(found.values())].sort((a, b) => a - b);
}
