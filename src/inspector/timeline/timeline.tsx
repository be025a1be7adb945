import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { StoredEvent } from "../../event/event.ts";
import { type EventBlock, findFailure, readBlockText, tellsFailure } from "../../view/event-blocks.ts";
import { formatDuration } from "../../view/format-figures.ts";
import { useObservable } from "../data/observable.ts";
import type { SessionLog } from "../data/session-log.ts";
import { EmptyState } from "../shell/empty-state.tsx";
import { useKeys } from "../shell/keys.ts";
import { BlockView, labelOf, toneOf } from "./block-view.tsx";
import { RawPanel } from "./raw-panel.tsx";
import { type ListHandle, VirtualList } from "./virtual-list.tsx";

const FILTERS = {
  everything: () => true,
  conversation: ({ kind }: EventBlock) => ["prompt", "text", "thought", "permission", "end"].includes(kind),
  tools: ({ kind }: EventBlock) => ["prompt", "tool", "artifact", "end"].includes(kind),
  failures: (block: EventBlock) => tellsFailure(block),
} as const;
type Filter = keyof typeof FILTERS;

const HEIGHTS: Readonly<Record<EventBlock["kind"], number>> = {
  prompt: 70,
  text: 90,
  thought: 70,
  tool: 32,
  plan: 32,
  permission: 56,
  usage: 32,
  artifact: 200,
  failure: 110,
  end: 40,
  step: 32,
  custom: 32,
};

export interface TimelineProps {
  readonly log: SessionLog;
  /** How many events are shown; undefined for all. */
  readonly position: number | undefined;
  /** The event to begin at; without it a run that failed begins at its failure. */
  readonly seq: number | undefined;
  readonly isRunning: boolean;
}

/** A session as its blocks, one below the other. */
export function Timeline({ log, position, seq, isRunning }: TimelineProps) {
  useObservable(log);
  const [filter, setFilter] = useState<Filter>("everything");
  const [words, setWords] = useState("");
  const [selected, setSelected] = useState<number | undefined>();
  const [expanded] = useState(() => new Set<number>());
  const [, setVersion] = useState(0);
  const [isRaw, setRaw] = useState(false);
  const [follows, setFollows] = useState(isRunning);
  const list = useRef<ListHandle | undefined>(undefined);
  const search = useRef<HTMLInputElement>(null);

  const { blocks } = log.grouper;
  const until = position === undefined ? Infinity : (log.events[position - 1]?.seq ?? Infinity);
  const visible = position === undefined ? blocks.length : log.grouper.countUntil(until);
  const wanted = words.trim().toLowerCase();
  const isFiltered = filter !== "everything" || wanted !== "";
  const rows = useMemo(() => {
    if (!isFiltered) return undefined;
    const matches: number[] = [];
    for (let at = 0; at < visible; at++) {
      const block = blocks[at] as EventBlock;
      if (FILTERS[filter](block) && (wanted === "" || textOf(block).includes(wanted))) matches.push(at);
    }
    return matches;
  }, [isFiltered, filter, wanted, visible, log]);
  const count = rows?.length ?? visible;
  const blockAt = (row: number): EventBlock => blocks[rows?.[row] ?? row] as EventBlock;
  const rowOf = (block: number): number => (rows === undefined ? block : rows.indexOf(block));

  const select = (block: number | undefined, place: "nearest" | "start" = "nearest"): void => {
    setSelected(block);
    if (block === undefined) return;
    setFollows(false);
    const row = rowOf(block);
    if (row >= 0) list.current?.show(row, place);
  };
  const move = (change: number): void => {
    if (count === 0) return;
    const from = selected === undefined ? (change > 0 ? -1 : count) : rowOf(selected);
    const row = Math.max(0, Math.min(count - 1, from + change));
    select(rows?.[row] ?? row);
  };
  const toggle = (block: number): void => {
    if (expanded.has(block)) expanded.delete(block);
    else expanded.add(block);
    setVersion((version) => version + 1);
  };
  const findNext = (matches: (block: EventBlock) => boolean, direction: 1 | -1): void => {
    const from = selected === undefined ? (direction > 0 ? -1 : count) : rowOf(selected);
    for (let row = from + direction; row >= 0 && row < count; row += direction) {
      if (matches(blockAt(row))) return select(rows?.[row] ?? row, "start");
    }
  };

  // Where to begin: at the event that was named, else at the failure, else at the end of a run that goes on.
  const begun = useRef("");
  useEffect(() => {
    const wish = `${log.sessionId} ${seq ?? ""}`;
    // The log may be further than what is drawn.
    if (begun.current === wish || list.current === undefined) return;
    if (seq !== undefined) {
      const block = log.grouper.blockAt(seq);
      if (block === undefined) return;
      begun.current = wish;
      expanded.add(block);
      select(block, "start");
    } else if (log.isLoaded) {
      begun.current = wish;
      const failure = findFailure(blocks);
      if (failure !== undefined && !isRunning) {
        expanded.add(failure.index);
        select(failure.index, "start");
      } else if (isRunning) list.current?.toEnd();
    }
  });
  useEffect(() => {
    if (position !== undefined) list.current?.toEnd();
  }, [position]);

  useKeys({
    j: () => move(1),
    ArrowDown: () => move(1),
    k: () => move(-1),
    ArrowUp: () => move(-1),
    PageDown: () => move(10),
    PageUp: () => move(-10),
    g: () => (count > 0 ? select(rows?.[0] ?? 0) : undefined),
    Home: () => (count > 0 ? select(rows?.[0] ?? 0) : undefined),
    G: () => (count > 0 ? select(rows?.at(-1) ?? count - 1) : undefined),
    End: () => (count > 0 ? select(rows?.at(-1) ?? count - 1) : undefined),
    e: () => findNext((block) => tellsFailure(block, until), 1),
    E: () => findNext((block) => tellsFailure(block, until), -1),
    Enter: () => (selected === undefined ? false : toggle(selected)),
    o: () => (selected === undefined ? false : toggle(selected)),
    r: () => {
      if (selected === undefined) move(1);
      setRaw(!isRaw);
    },
    f: () => {
      setFollows(true);
      setSelected(undefined);
      list.current?.toEnd();
      return false;
    },
    "/": () => search.current?.focus(),
    Escape: () => {
      if (document.activeElement === search.current) search.current?.blur();
      else if (isRaw) setRaw(false);
      else if (isFiltered) {
        setWords("");
        setFilter("everything");
      } else return false;
    },
  });

  const start = log.events[0]?.at ?? 0;
  const chosen = selected === undefined ? undefined : blocks[selected];
  return (
    <div class={`timeline ${isRaw && chosen !== undefined ? "with-raw" : ""}`}>
      <div class="tools">
        <input
          ref={search}
          type="search"
          placeholder="Search this session  /"
          aria-label="Search this session"
          value={words}
          onInput={(event) => setWords(event.currentTarget.value)}
        />
        <select aria-label="Show" value={filter} onChange={(event) => setFilter(event.currentTarget.value as Filter)}>
          {Object.keys(FILTERS).map((name) => (
            <option value={name}>{name}</option>
          ))}
        </select>
        <span class="quiet figure" role="status">
          {isFiltered ? `${count.toLocaleString("en-US")} of ${visible.toLocaleString("en-US")}` : ""}
          {log.isLoaded || log.events.length === 0
            ? ""
            : ` loading ${log.events.length.toLocaleString("en-US")} of ${log.knownSeq.toLocaleString("en-US")}`}
        </span>
      </div>
      {count === 0 ? (
        <EmptyState title={!log.isLoaded ? "Loading…" : isFiltered ? "Nothing matches." : "No events yet."}>
          {isFiltered ? <p>Esc shows everything again.</p> : null}
        </EmptyState>
      ) : (
        <VirtualList
          count={count}
          identity={`${log.sessionId} ${filter} ${wanted}`}
          label="Events"
          handle={list}
          follows={follows || position !== undefined}
          onFollowChange={setFollows}
          estimate={(row) => HEIGHTS[blockAt(row).kind] + Math.floor(blockAt(row).characters / 90) * 19}
          signature={(row) => signatureOf(blockAt(row), until, selected, expanded)}
          renderRow={(row) => {
            const block = blockAt(row);
            const isSelected = block.index === selected;
            return (
              // oxlint-disable-next-line -- keys do the same: j, k and Enter
              <div
                class={`block block-${toneOf(block, until)} ${isSelected ? "selected" : ""} ${block.continued === undefined ? "" : "continued"}`}
                onClick={() => setSelected(block.index)}
                data-seq={block.firstSeq}
                aria-current={isSelected ? "true" : undefined}
              >
                <span class="when figure">{formatOffset((block.events[0] as StoredEvent).at - start)}</span>
                <span class="label">{labelOf(block)}</span>
                <div class="content">
                  <BlockView
                    block={block}
                    until={until}
                    isExpanded={expanded.has(block.index)}
                    onToggle={() => toggle(block.index)}
                  />
                </div>
              </div>
            );
          }}
        />
      )}
      {isRaw && chosen !== undefined ? <RawPanel block={chosen} onClose={() => setRaw(false)} /> : null}
    </div>
  );
}

/** What a row depends on: while it stays the same, the row is not drawn again. */
function signatureOf(
  block: EventBlock,
  until: number,
  selected: number | undefined,
  expanded: ReadonlySet<number>,
): string {
  const last = block.events.at(-1) as StoredEvent;
  const clip = last.seq > until ? until : "";
  return `${block.index} ${block.events.length} ${clip} ${block.index === selected ? "s" : ""}${expanded.has(block.index) ? "x" : ""}`;
}

/** What a search looks at: all texts of a block, in any field. */
function textOf(block: EventBlock): string {
  if (block.kind === "text" || block.kind === "thought") return readBlockText(block).toLowerCase();
  return block.events
    .map(({ sessionId: _session, runId: _run, turn: _turn, ...body }) => JSON.stringify(body))
    .join(" ")
    .toLowerCase();
}

function formatOffset(ms: number): string {
  if (ms < 0) return "";
  if (ms < 60_000) return (ms / 1000).toFixed(1);
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`;
  return formatDuration(ms);
}
