import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { StoredEvent, Usage } from "../../event/event.ts";
import { addUsage } from "../../event/usage.ts";
import type { Session } from "../../store/session-store.ts";
import { describeReason } from "../../view/describe-reason.ts";
import { describeTask } from "../../view/describe-task.ts";
import { findFailure } from "../../view/event-blocks.ts";
import { formatAgo, formatCount, formatDuration, formatUsage } from "../../view/format-figures.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import { QuestionBanner } from "../actions/question-banner.tsx";
import { SessionActions } from "../actions/session-actions.tsx";
import { useObservable } from "../data/observable.ts";
import { useRunningIterations } from "../data/running-iterations.ts";
import { getJson } from "../data/server.ts";
import { directory } from "../data/session-directory.ts";
import type { SessionLog } from "../data/session-log.ts";
import { useSessionLog } from "../data/use-session-log.ts";
import { LineageView } from "../lineage/lineage-view.tsx";
import { FailureDetail } from "../timeline/failure-card.tsx";
import { Scrubber } from "../timeline/scrubber.tsx";
import { Timeline } from "../timeline/timeline.tsx";
import { UsageView } from "../usage/usage-view.tsx";
import { EmptyState } from "./empty-state.tsx";
import { useKeys } from "./keys.ts";
import { goTo, type Route, type Tab, TABS, toHash } from "./route.ts";
import { StatusLabel } from "./status-label.tsx";
import { useClock } from "./use-clock.ts";

type SessionRoute = Extract<Route, { readonly view: "session" }>;

export function SessionView({ route }: { readonly route: SessionRoute }) {
  const { id } = route;
  useObservable(directory);
  const log = useSessionLog(id);
  const running = useRunningIterations(log);
  const [position, setPosition] = useState<number | undefined>();
  useEffect(() => {
    setPosition(undefined);
    void directory.fetch(id);
  }, [id]);
  const session = directory.get(id);
  const first = log.events[0];
  const isLoop = (session?.kind ?? (first?.type === "run.started" ? first.kind : "")) === "loop";
  const tab: Tab = route.tab ?? (isLoop && route.seq === undefined ? "lineage" : "timeline");
  const tabs = TABS.filter((name) => isLoop || name !== "lineage");
  const status = statusOf(session, log);
  const parent = session?.parentId;
  useKeys({
    t: () => goTo({ view: "session", id, tab: "timeline" }),
    l: () => (isLoop ? goTo({ view: "session", id, tab: "lineage" }) : false),
    $: () => goTo({ view: "session", id, tab: "usage" }),
    u: () => (parent === undefined ? false : goTo({ view: "session", id: parent })),
  });

  if (log.problem !== undefined)
    return (
      <EmptyState title={log.problem.status === 404 ? "This session is not here." : "This session cannot be read."}>
        <p>
          {log.problem.status === 404
            ? "It was deleted, or it is of another data directory than the one that this server shows."
            : log.problem.message}
        </p>
        <p>
          <code>{toPlainLine(id).slice(0, 300)}</code>
        </p>
        <p>
          <a href="#/">All sessions</a>
        </p>
      </EmptyState>
    );
  return (
    <div class="session">
      <SessionHead session={session} log={log} status={status} position={position} />
      <QuestionBanner log={log} running={running} />
      <EndBanner log={log} session={session} status={status} />
      <nav class="tabs" aria-label="Views">
        {tabs.map((name) => (
          <a
            href={toHash({ view: "session", id, tab: name })}
            class={name === tab ? "tab selected" : "tab"}
            aria-current={name === tab ? "page" : undefined}
          >
            {name}
          </a>
        ))}
      </nav>
      <div class="tab-body">
        {tab === "lineage" ? (
          <LineageView log={log} position={position} running={running} />
        ) : tab === "usage" ? (
          <UsageView log={log} isLoop={isLoop} />
        ) : (
          <Timeline key={id} log={log} position={position} seq={route.seq} isRunning={status === "running"} />
        )}
      </div>
      {tab === "usage" ? null : <Scrubber key={id} log={log} position={position} onPosition={setPosition} />}
    </div>
  );
}

/** As the log tells it, which is there before the list knows; else as the list does. */
function statusOf(session: Session | undefined, log: SessionLog): string {
  if (log.isLoaded && log.events.length > 0) return log.status;
  return session?.status ?? "created";
}

interface HeadProps {
  readonly session: Session | undefined;
  readonly log: SessionLog;
  readonly status: string;
}

function SessionHead({ session, log, status, position }: HeadProps & { readonly position: number | undefined }) {
  const now = useClock(status === "running");
  const parent = session?.parentId === undefined ? undefined : directory.get(session.parentId);
  useEffect(() => {
    if (session?.parentId !== undefined) void directory.fetch(session.parentId);
  }, [session?.parentId]);
  const first = log.events[0];
  const startedAt = first?.at ?? session?.createdAt;
  const endedAt =
    status === "running" ? now : ((log.isLoaded ? log.events.at(-1)?.at : undefined) ?? session?.updatedAt);
  const title =
    session !== undefined && directory.titleOf(session) !== ""
      ? directory.titleOf(session)
      : toPlainLine(first?.type === "run.started" ? describeTask(first.task) : "").slice(0, 300);
  const usage = formatUsage(useUsage(log));
  useEffect(() => {
    document.title = `${status}: ${title || log.sessionId} – Skein`;
    return () => {
      document.title = "Skein";
    };
  }, [status, title, log]);
  const iteration = first?.type === "run.started" ? first.parent?.iteration : undefined;
  const origin = session?.forkedFrom;
  return (
    <header class="session-head">
      {session?.parentId === undefined ? null : (
        <p class="crumbs">
          <a href={toHash({ view: "session", id: session.parentId })}>
            {parent === undefined ? session.parentId : directory.titleOf(parent) || parent.id}
          </a>{" "}
          <span aria-hidden="true">›</span> {iteration === undefined ? "iteration" : `#${iteration}`}
        </p>
      )}
      <div class="title-line">
        <h1 title={title}>{title || log.sessionId}</h1>
        <StatusLabel status={status} />
        <SessionActions session={session} log={log} status={status} position={position} />
      </div>
      <p class="facts quiet figure">
        <code>{log.sessionId}</code>
        {startedAt === undefined || endedAt === undefined ? null : (
          <span>{formatDuration(Math.max(0, endedAt - startedAt))}</span>
        )}
        <span>{formatCount(Math.max(log.knownSeq, session?.lastSeq ?? 0), "event")}</span>
        {usage === "" ? null : <span>{usage}</span>}
        {origin === undefined ? null : (
          <span>
            forked from{" "}
            <a href={toHash({ view: "session", id: origin.sessionId, tab: "timeline", seq: origin.atSeq })}>
              {`${origin.sessionId}, event ${origin.atSeq.toLocaleString("en-US")}`}
            </a>
          </span>
        )}
        {startedAt === undefined ? null : (
          <span title={new Date(startedAt).toISOString()}>{`started ${formatAgo(now - startedAt)}`}</span>
        )}
      </p>
    </header>
  );
}

/** Summed as events come in, each once. */
function useUsage(log: SessionLog): Usage {
  const sum = useRef<{ log: SessionLog; count: number; usage: Usage }>({ log, count: 0, usage: {} });
  if (sum.current.log !== log) sum.current = { log, count: 0, usage: {} };
  const { current } = sum;
  for (; current.count < log.events.length; current.count++) {
    const event = log.events[current.count] as StoredEvent;
    if (event.type === "usage.reported") current.usage = addUsage(current.usage, event);
    else if (event.type === "iteration.ended") current.usage = addUsage(current.usage, event.usage);
  }
  return current.usage;
}

const isEnd = ({ type }: StoredEvent): boolean => type === "backend.failed" || type === "final";

/** So many of the last events are looked at for a failure before the whole log is there. */
const TAIL = 30;

/** Says at once why a run failed or was interrupted, however long its log is, and leads to the place. */
function EndBanner({ log, session, status }: HeadProps) {
  const [tail, setTail] = useState<readonly StoredEvent[]>([]);
  const lastSeq = session?.lastSeq ?? 0;
  const isBad = status === "failed" || status === "interrupted";
  const isWanted = isBad && !log.isLoaded && lastSeq > TAIL;
  useEffect(() => {
    setTail([]);
    if (!isWanted) return;
    const path = `/api/sessions/${encodeURIComponent(log.sessionId)}/events?after=${lastSeq - TAIL}&limit=${TAIL}`;
    void getJson<StoredEvent[]>(path).then(setTail, () => {});
  }, [log, isWanted, lastSeq]);
  const found = useMemo(() => {
    if (!isBad || !log.isLoaded) return undefined;
    return status === "failed" ? findFailure(log.grouper.blocks)?.events[0] : log.events.findLast(isEnd);
  }, [log, status, log.isLoaded, isBad ? log.events.length : 0]);
  if (!isBad) return null;
  const event = found ?? tail.findLast(isEnd);
  if (event === undefined || (event.type !== "final" && event.type !== "backend.failed")) return null;
  return (
    <section class={`banner ${status === "failed" ? "bad" : "warn"}-banner`} aria-label="Why it ended" tabIndex={0}>
      {event.error === undefined ? (
        <p>
          {event.type === "final"
            ? `Ended as ${event.status}: ${describeReason(event.reason, event.status) || "no reason was given"}.`
            : "The backend failed."}
        </p>
      ) : (
        <FailureDetail error={event.error} brief />
      )}
      <a href={toHash({ view: "session", id: log.sessionId, tab: "timeline", seq: event.seq })}>
        {`show event ${event.seq.toLocaleString("en-US")}`}
      </a>
    </section>
  );
}
