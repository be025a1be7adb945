import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { StoredEvent } from "../../event/event.ts";
import { type Alignment, alignBranches, pathTo, sharedLength } from "../../view/align-branches.ts";
import type { EventBlock } from "../../view/event-blocks.ts";
import { formatCost, formatCount, formatDuration, formatScore } from "../../view/format-figures.ts";
import type { IterationProgress } from "../../view/loop-progress.ts";
import { parsePatch } from "../../view/parse-patch.ts";
import { totalTokens } from "../../event/usage.ts";
import { getJson, ServerProblem } from "../data/server.ts";
import { foldLoop } from "../lineage/lineage-view.tsx";
import { EmptyState } from "../shell/empty-state.tsx";
import { useKeys } from "../shell/keys.ts";
import { goTo, type Route, toHash } from "../shell/route.ts";
import { StatusLabel } from "../shell/status-label.tsx";
import { BlockView, labelOf, readBlob, toneOf } from "../timeline/block-view.tsx";
import { type ListHandle, VirtualList } from "../timeline/virtual-list.tsx";
import { FileDifferences } from "./file-differences.tsx";

const PAGE = 10_000;
/** What a comparison looks at, on each side. */
const MAX_EVENTS = 200_000;

async function readEvents(sessionId: string, signal: AbortSignal): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  while (events.length < MAX_EVENTS) {
    const path = `/api/sessions/${encodeURIComponent(sessionId)}/events?after=${events.at(-1)?.seq ?? 0}&limit=${PAGE}`;
    const page = await getJson<StoredEvent[]>(path, signal);
    for (const event of page) events.push(event);
    if (page.length < PAGE) break;
  }
  return events;
}

interface Branch {
  readonly sessionId: string;
  /** Absent where the session is no iteration of a loop. */
  readonly iteration?: IterationProgress;
  /** From behind the last iteration that both branches have, to the end. */
  readonly events: readonly StoredEvent[];
  /** Of the iterations that are behind it. */
  readonly path: readonly number[];
  readonly patch: string;
}

interface Comparison {
  readonly left: Branch;
  readonly right: Branch;
  /** Iterations that both descend from. */
  readonly shared: readonly number[];
  readonly alignment: Alignment;
}

async function loadComparison(left: string, right: string, signal: AbortSignal): Promise<Comparison> {
  const [one, other] = await Promise.all([readEvents(left, signal), readEvents(right, signal)]);
  const loops = [one, other].map(parentOf);
  const loopId = loops[0] !== undefined && loops[0] === loops[1] ? loops[0] : undefined;
  const iterations =
    loopId === undefined ? [] : foldLoop(loopId, await readEvents(loopId, signal), undefined).iterations;
  const find = (sessionId: string): IterationProgress | undefined =>
    iterations.find((iteration) => iteration.sessionId === sessionId);
  const paths = [left, right].map((id) => pathTo(iterations, find(id)?.index ?? -1));
  const [leftPath = [], rightPath = []] = paths;
  // A branch that is the root of the other has itself in common with it; what is compared is then nothing against the rest.
  const common = Math.min(
    sharedLength(leftPath, rightPath),
    Math.max(0, Math.min(leftPath.length, rightPath.length) - 1),
  );
  const toBranch = async (sessionId: string, own: StoredEvent[], path: readonly number[]): Promise<Branch> => {
    const before: StoredEvent[] = [];
    for (const index of path.slice(common, -1)) {
      const ancestor = iterations.find((iteration) => iteration.index === index);
      if (ancestor !== undefined) before.push(...(await readEvents(ancestor.sessionId, signal)));
    }
    const iteration = find(sessionId);
    return {
      sessionId,
      ...(iteration === undefined ? {} : { iteration }),
      events: [...before, ...own],
      path,
      patch: await readPatch(own, signal),
    };
  };
  const [leftBranch, rightBranch] = [await toBranch(left, one, leftPath), await toBranch(right, other, rightPath)];
  return {
    left: leftBranch,
    right: rightBranch,
    shared: leftPath.slice(0, common),
    alignment: alignBranches(leftBranch.events, rightBranch.events),
  };
}

function parentOf([first]: readonly StoredEvent[]): string | undefined {
  return first?.type === "run.started" ? first.parent?.sessionId : undefined;
}

async function readPatch(events: readonly StoredEvent[], signal: AbortSignal): Promise<string> {
  const artifact = events.findLast((event) => event.type === "artifact.created" && event.name === "workspace.patch");
  if (artifact?.type !== "artifact.created") return "";
  return artifact.blob === undefined ? (artifact.content ?? "") : readBlob(artifact.blob, signal);
}

type CompareRoute = Extract<Route, { readonly view: "compare" }>;

/** Two branches side by side: what they share, where they part, and how their files differ. */
export function CompareView({ route: { left, right } }: { readonly route: CompareRoute }) {
  const [comparison, setComparison] = useState<Comparison | Error | undefined>();
  const [part, setPart] = useState<"events" | "files">("events");
  useEffect(() => {
    const over = new AbortController();
    setComparison(undefined);
    loadComparison(left, right, over.signal).then(setComparison, (error: unknown) => {
      if (!over.signal.aborted) setComparison(error instanceof Error ? error : new Error(String(error)));
    });
    return () => over.abort();
  }, [left, right]);
  const list = useRef<ListHandle | undefined>(undefined);
  const loopId = comparison instanceof Error || comparison === undefined ? undefined : parentOf(comparison.left.events);
  const isReady = comparison !== undefined && !(comparison instanceof Error);
  const showParting = (): void => {
    setPart("events");
    if (isReady) list.current?.show(comparison.alignment.parting?.row ?? 0, "start");
  };
  useKeys({
    p: showParting,
    d: () => setPart(part === "files" ? "events" : "files"),
    x: () => goTo({ view: "compare", left: right, right: left }),
    u: () => (loopId === undefined ? false : goTo({ view: "session", id: loopId, tab: "lineage" })),
  });
  if (comparison === undefined) return <EmptyState title="Reading both branches…" />;
  if (comparison instanceof Error)
    return (
      <EmptyState title="These two cannot be compared.">
        <p>{comparison instanceof ServerProblem ? comparison.message : String(comparison.message)}</p>
      </EmptyState>
    );
  const { alignment, shared } = comparison;
  return (
    <div class="compare">
      <header class="compare-head">
        {loopId === undefined ? null : (
          <p class="crumbs">
            <a href={toHash({ view: "session", id: loopId, tab: "lineage" })}>the loop</a>{" "}
            <span aria-hidden="true">›</span> compare
          </p>
        )}
        <h1 class="hidden-text">Two branches side by side</h1>
        <div class="sides">
          <BranchHead branch={comparison.left} side="left" />
          <BranchHead branch={comparison.right} side="right" />
        </div>
        <p class="parting" role="status">
          {describeParting(alignment, shared)}
        </p>
      </header>
      <nav class="tabs" aria-label="What to compare">
        <button
          type="button"
          class={`tab ${part === "events" ? "selected" : ""}`}
          aria-pressed={part === "events"}
          onClick={() => setPart("events")}
        >
          events
        </button>
        <button
          type="button"
          class={`tab ${part === "files" ? "selected" : ""}`}
          aria-pressed={part === "files"}
          onClick={() => setPart("files")}
        >
          files
        </button>
        {alignment.parting === undefined ? null : (
          <button type="button" class="tab" onClick={showParting}>
            where they part <kbd>p</kbd>
          </button>
        )}
      </nav>
      <div class="tab-body">
        {part === "files" ? <Files comparison={comparison} /> : <AlignedEvents comparison={comparison} handle={list} />}
      </div>
    </div>
  );
}

function describeParting({ parting, rows }: Alignment, shared: readonly number[]): string {
  const ancestors = shared.length === 0 ? "" : `Both descend from ${shared.map((index) => `#${index}`).join(" → ")}. `;
  if (parting === undefined) return `${ancestors}Both did the same, event for event.`;
  const same = rows.slice(0, parting.row).filter((row) => row.same).length;
  const place = [
    parting.left === undefined ? "left ends" : `left at event ${parting.left.seq}`,
    parting.right === undefined ? "right ends" : `right at event ${parting.right.seq}`,
  ].join(", ");
  const text =
    parting.characters === undefined || parting.characters === 0
      ? ""
      : `, after ${formatCount(parting.characters, "character")} of a text`;
  return `${ancestors}${same === 0 ? "They part at once" : `${formatCount(same, "block")} in common, then they part`}: ${place}${text}.`;
}

function BranchHead({ branch, side }: { readonly branch: Branch; readonly side: "left" | "right" }) {
  const { iteration, sessionId, path } = branch;
  const last = branch.events.at(-1);
  const status = iteration?.status ?? (last?.type === "final" ? last.status : "running");
  const tokens = iteration === undefined ? undefined : totalTokens(iteration.usage);
  return (
    <div class={`side side-${side}`}>
      <p>
        <strong>
          <a href={toHash({ view: "session", id: sessionId, tab: "timeline" })}>
            {iteration === undefined ? sessionId : `#${iteration.index}`}
          </a>
        </strong>{" "}
        <StatusLabel status={status} />
        {iteration?.verdict === undefined ? null : (
          <span
            class={iteration.verdict.valid ? "good figure" : "warn figure"}
          >{` ${formatScore(iteration.verdict.score)}`}</span>
        )}
      </p>
      <p class="quiet figure">
        {[
          path.length > 1 ? path.map((index) => `#${index}`).join(" → ") : "",
          iteration?.endedAt === undefined ? "" : formatDuration(iteration.endedAt - iteration.startedAt),
          tokens === undefined ? "" : `${tokens.toLocaleString("en-US")} tokens`,
          iteration?.usage.costUsd === undefined ? "" : formatCost(iteration.usage.costUsd),
        ]
          .filter((fact) => fact !== "")
          .join(" · ")}
      </p>
    </div>
  );
}

interface AlignedProps {
  readonly comparison: Comparison;
  readonly handle: { current: ListHandle | undefined };
}

function AlignedEvents({ comparison: { alignment, left, right }, handle }: AlignedProps) {
  const { rows, parting } = alignment;
  const [expanded] = useState(() => new Set<number>());
  const [, setVersion] = useState(0);
  const toggle = (row: number): void => {
    if (expanded.has(row)) expanded.delete(row);
    else expanded.add(row);
    setVersion((version) => version + 1);
  };
  // Begin where there is something to see.
  useEffect(() => handle.current?.show(parting?.row ?? 0, "start"), [alignment]);
  if (rows.length === 0) return <EmptyState title="Neither branch has events." />;
  return (
    <VirtualList
      count={rows.length}
      identity={`${left.sessionId} ${right.sessionId}`}
      label="Both branches"
      handle={handle}
      className="aligned"
      estimate={() => 40}
      signature={(row) => `${row} ${expanded.has(row)}`}
      renderRow={(row) => {
        const one = rows[row];
        if (one === undefined) return null;
        return (
          <>
            {parting?.row === row ? <p class="parting-line">here they part</p> : null}
            <div class={`pair ${one.same ? "pair-same" : "pair-differs"}`}>
              <Side block={one.left} name="left" isExpanded={expanded.has(row)} onToggle={() => toggle(row)} />
              <Side block={one.right} name="right" isExpanded={expanded.has(row)} onToggle={() => toggle(row)} />
            </div>
          </>
        );
      }}
    />
  );
}

interface SideProps {
  readonly block: EventBlock | undefined;
  readonly name: "left" | "right";
  readonly isExpanded: boolean;
  readonly onToggle: () => void;
}

function Side({ block, name, isExpanded, onToggle }: SideProps) {
  if (block === undefined) return <div class="pair-side pair-empty" />;
  return (
    <div class={`pair-side block block-${toneOf(block, Infinity)}`} data-side={name}>
      <span class="label">{labelOf(block)}</span>
      <div class="content">
        <BlockView block={block} until={Infinity} isExpanded={isExpanded} onToggle={onToggle} />
      </div>
    </div>
  );
}

function Files({ comparison: { left, right } }: { readonly comparison: Comparison }) {
  const files = useMemo(() => [parsePatch(left.patch), parsePatch(right.patch)] as const, [left, right]);
  const nameOf = ({ iteration, sessionId }: Branch): string =>
    iteration === undefined ? sessionId : `#${iteration.index}`;
  return <FileDifferences left={files[0]} right={files[1]} names={[nameOf(left), nameOf(right)]} />;
}
