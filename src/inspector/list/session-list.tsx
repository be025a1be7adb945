import { useMemo, useRef, useState } from "preact/hooks";
import type { Session } from "../../store/session-store.ts";
import { formatAgo, formatCount } from "../../view/format-figures.ts";
import { useObservable } from "../data/observable.ts";
import { directory } from "../data/session-directory.ts";
import { StartButton } from "../actions/start-button.tsx";
import { EmptyState } from "../shell/empty-state.tsx";
import { useKeys } from "../shell/keys.ts";
import { goTo, toHash } from "../shell/route.ts";
import { StatusLabel } from "../shell/status-label.tsx";
import { useClock } from "../shell/use-clock.ts";
import { type ListHandle, VirtualList } from "../timeline/virtual-list.tsx";

const STATUSES = ["running", "completed", "failed", "aborted", "interrupted", "created"] as const;
const ROW = 54;

export interface SessionListProps {
  /** The session that is shown beside the list. */
  readonly selectedId: string | undefined;
  /** True where the list is the page, and the keys are its own. */
  readonly isPage: boolean;
}

/** All sessions, newest first, live. */
export function SessionList({ selectedId, isPage }: SessionListProps) {
  useObservable(directory);
  const now = useClock(false);
  const [words, setWords] = useState("");
  const [status, setStatus] = useState("");
  const [kind, setKind] = useState("");
  const [withIterations, setWithIterations] = useState(false);
  const [cursor, setCursor] = useState<string | undefined>();
  const list = useRef<ListHandle | undefined>(undefined);
  const search = useRef<HTMLInputElement>(null);
  const nav = useRef<HTMLElement>(null);

  const kinds = useMemo(
    () => [...new Set(directory.sessions.map((session) => session.kind))].sort(),
    [directory.version],
  );
  const sessions = useMemo(() => {
    const wanted = words
      .trim()
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    return directory.sessions.filter(
      (session) =>
        (status === "" || session.status === status) &&
        (kind === "" || session.kind === kind) &&
        (withIterations || session.parentId === undefined) &&
        wanted.every((word) => describe(session).includes(word)),
    );
  }, [words, status, kind, withIterations, directory.version]);
  const isFiltered = words !== "" || status !== "" || kind !== "";

  const at = sessions.findIndex(({ id }) => id === (cursor ?? selectedId));
  const move = (change: number): void | false => {
    const hasFocus = isPage || (nav.current?.contains(document.activeElement) ?? false);
    if (!hasFocus) return false;
    const next = sessions[Math.max(0, Math.min(sessions.length - 1, at < 0 ? 0 : at + change))];
    if (next === undefined) return;
    setCursor(next.id);
    list.current?.show(sessions.indexOf(next));
  };
  useKeys({
    j: () => move(1),
    ArrowDown: () => move(1),
    k: () => move(-1),
    ArrowUp: () => move(-1),
    Enter: () => {
      const chosen = sessions[at];
      if (cursor === undefined || chosen === undefined || (!isPage && !nav.current?.contains(document.activeElement)))
        return false;
      goTo({ view: "session", id: chosen.id });
      if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    },
    s: () => search.current?.focus(),
    "/": () => (isPage ? search.current?.focus() : false),
    Escape: () => {
      if (document.activeElement !== search.current) return false;
      if (words !== "") setWords("");
      else search.current?.blur();
    },
  });

  return (
    <nav class="sessions" aria-label="Sessions" ref={nav}>
      <div class="filters">
        <input
          ref={search}
          type="search"
          placeholder={isPage ? "Search sessions  /" : "Search sessions  s"}
          aria-label="Search sessions"
          value={words}
          onInput={(event) => setWords(event.currentTarget.value)}
        />
        <div class="filter-line">
          <select aria-label="Status" value={status} onChange={(event) => setStatus(event.currentTarget.value)}>
            <option value="">any status</option>
            {STATUSES.map((name) => (
              <option value={name}>{name}</option>
            ))}
          </select>
          <select aria-label="Kind" value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
            <option value="">any kind</option>
            {kinds.map((name) => (
              <option value={name}>{name}</option>
            ))}
          </select>
          <label>
            <input type="checkbox" checked={withIterations} onChange={() => setWithIterations(!withIterations)} />
            iterations
          </label>
        </div>
      </div>
      {sessions.length === 0 ? (
        <Nothing isFiltered={isFiltered} />
      ) : (
        <VirtualList
          count={sessions.length}
          identity={`${words} ${status} ${kind} ${withIterations}`}
          label="List of sessions"
          handle={list}
          estimate={() => ROW}
          onFollowChange={(atEnd) => {
            if (atEnd) void directory.loadMore();
          }}
          signature={(row) => {
            const session = sessions[row] as Session;
            const marks = `${session.id === selectedId ? "s" : ""}${session.id === cursor ? "c" : ""}`;
            return `${session.id} ${session.status} ${session.lastSeq} ${directory.titleOf(session)} ${marks} ${formatAgo(now - session.createdAt)}`;
          }}
          renderRow={(row) => {
            const session = sessions[row] as Session;
            return (
              <SessionRow
                session={session}
                now={now}
                isSelected={session.id === selectedId}
                isCursor={session.id === cursor}
              />
            );
          }}
        />
      )}
      <footer class="list-foot quiet figure">
        <span>{formatCount(sessions.length, "session")}</span>
        <StartButton />
        {directory.hasMore ? (
          <button type="button" class="more" onClick={() => void directory.loadMore()}>
            load older
          </button>
        ) : null}
      </footer>
    </nav>
  );
}

function describe(session: Session): string {
  const labels = Object.entries(session.labels).map(([name, value]) => `${name}=${value}`);
  return `${session.id} ${directory.titleOf(session)} ${session.kind} ${session.backend ?? ""} ${labels.join(" ")}`.toLowerCase();
}

interface RowProps {
  readonly session: Session;
  readonly now: number;
  readonly isSelected: boolean;
  readonly isCursor: boolean;
}

function SessionRow({ session, now, isSelected, isCursor }: RowProps) {
  const title = directory.titleOf(session);
  return (
    <a
      class={`session-row ${isSelected ? "selected" : ""} ${isCursor ? "cursor" : ""}`}
      href={toHash({ view: "session", id: session.id })}
      aria-current={isSelected ? "page" : undefined}
    >
      <span class="session-title">{title || session.id}</span>
      <span class="session-facts figure">
        <StatusLabel status={session.status} />
        <span>{session.parentId === undefined ? session.kind : "iteration"}</span>
        <span class="session-events">{formatCount(session.lastSeq, "event")}</span>
        <span class="space" />
        <span>{formatAgo(now - session.createdAt)}</span>
      </span>
    </a>
  );
}

function Nothing({ isFiltered }: { readonly isFiltered: boolean }) {
  if (directory.problem !== undefined)
    return (
      <EmptyState title="The sessions cannot be read.">
        <p>{directory.problem.message}</p>
      </EmptyState>
    );
  if (!directory.isLoaded) return <EmptyState title="Loading…" />;
  if (isFiltered)
    return (
      <EmptyState title="No session matches.">
        <p>Esc in the search field clears it.</p>
      </EmptyState>
    );
  return (
    <EmptyState title="No sessions yet.">
      <p>Start one, and it appears here while it runs:</p>
      <pre tabIndex={0}>skein loop ./my-package</pre>
    </EmptyState>
  );
}
