import { useLayoutEffect, useRef } from "preact/hooks";
import { renderOrigin } from "../../view/box-origin.ts";
import { formatCount, formatDuration, formatScore, formatUsage } from "../../view/format-figures.ts";
import { layOutLineage, type PlacedIteration } from "../../view/lineage-layout.ts";
import type { BoxOrigin, IterationProgress, LoopProgress } from "../../view/loop-progress.ts";
import { fitLine, toPlainLine } from "../../view/plain-text.ts";
import { toHash } from "../shell/route.ts";

const CARD = { width: 226, height: 64 };
const LINE_CHARACTERS = 35;
const GAP = { x: 56, y: 14 };
const MARGIN = 12;
const HEAD = 26;
const LEGEND = 34;

const leftOf = ({ column }: PlacedIteration): number => MARGIN + column * (CARD.width + GAP.x);
const topOf = ({ row }: PlacedIteration): number => HEAD + row * (CARD.height + GAP.y);

/** From the parent's right side to the child's left side; the more two have in common, the stronger the line. */
function Edge({ parent, child }: { readonly parent: PlacedIteration; readonly child: PlacedIteration }) {
  const [x1, y1] = [leftOf(parent) + CARD.width, topOf(parent) + CARD.height / 2];
  const [x2, y2] = [leftOf(child), topOf(child) + CARD.height / 2];
  const bend = x1 + GAP.x;
  const path = `M${x1} ${y1}C${x1 + GAP.x / 2} ${y1} ${bend - GAP.x / 2} ${y2} ${bend} ${y2}${x2 > bend ? `H${x2}` : ""}`;
  return <path class={`edge edge-${child.iteration.origin ?? "new"}`} d={path} />;
}

/** The score, or what there is instead of one. */
function outcomeOf({ error, verdict, status }: IterationProgress): { readonly label: string; readonly tone: string } {
  if (error !== undefined || status === "failed") return { label: "failed", tone: "bad" };
  if (verdict !== undefined) return { label: formatScore(verdict.score), tone: verdict.valid ? "good" : "warn" };
  if (status === "running") return { label: "running", tone: "live" };
  return { label: status === "completed" ? "ended" : status, tone: status === "completed" ? "good" : "quiet" };
}

function Card({
  placed,
  isWinner,
  now,
}: {
  readonly placed: PlacedIteration;
  readonly isWinner: boolean;
  readonly now: number;
}) {
  const { iteration } = placed;
  const [x, y] = [leftOf(placed), topOf(placed)];
  const { label, tone } = outcomeOf(iteration);
  const took = formatDuration(Math.max(0, (iteration.endedAt ?? now) - iteration.startedAt));
  const second = [renderOrigin(iteration.origin), took].filter((part) => part !== "").join(" · ");
  const third =
    iteration.status === "running" && iteration.activity !== ""
      ? toPlainLine(iteration.activity)
      : [toPlainLine(iteration.agentRunName), formatUsage(iteration.usage)].filter((part) => part !== "").join(" · ");
  const name = isWinner ? (iteration.verdict?.valid === false ? "best" : "winner") : "";
  const lines = [second, third].map((line) => fitLine(line, LINE_CHARACTERS));
  // What is to be read on the card, and then what there is no room for.
  const said = [
    `#${iteration.index}`,
    name === "" ? "" : `★ ${name}`,
    label,
    ...lines,
    iteration.verdict?.notes,
    iteration.error?.message,
    iteration.originReason,
  ].filter((part) => part !== undefined && part !== "");
  return (
    <a
      href={toHash({ view: "session", id: iteration.sessionId, tab: "timeline" })}
      class={`card tone-${tone} ${isWinner ? (iteration.verdict?.valid === false ? "winner weak" : "winner") : ""}`}
    >
      <title>{toPlainLine(said.join(" "))}</title>
      <rect x={x} y={y} width={CARD.width} height={CARD.height} rx={6} />
      <rect class="card-edge" x={x} y={y + 8} width={3} height={CARD.height - 16} />
      <text class="card-index" x={x + 12} y={y + 20}>
        {`#${iteration.index}`}
      </text>
      {name === "" ? null : (
        <text class="card-winner" x={x + 20 + `#${iteration.index}`.length * 9} y={y + 20}>
          {`★ ${name}`}
        </text>
      )}
      <text class="card-outcome" x={x + CARD.width - 12} y={y + 20} text-anchor="end">
        {label}
      </text>
      <text class="card-line" x={x + 12} y={y + 38}>
        {lines[0]}
      </text>
      <text class="card-line" x={x + 12} y={y + 54}>
        {lines[1]}
      </text>
    </a>
  );
}

const LEGEND_ORDER: readonly BoxOrigin[] = ["continued", "memory", "files", "fresh"];

function Legend({ origins, y }: { readonly origins: ReadonlySet<BoxOrigin>; readonly y: number }) {
  let x = MARGIN;
  return (
    <g class="legend">
      {LEGEND_ORDER.filter((origin) => origins.has(origin)).map((origin) => {
        const from = x;
        const label = renderOrigin(origin);
        x += 36 + label.length * 7 + 22;
        return (
          <>
            <path class={`edge edge-${origin}`} d={`M${from} ${y - 4}h28`} />
            <text x={from + 36} y={y}>
              {label}
            </text>
          </>
        );
      })}
    </g>
  );
}

/** Rounds from left to right, a card for each iteration, a line to the one that it descends from, the winner marked. A card opens its session. */
export function LineageDrawing({ progress, now }: { readonly progress: LoopProgress; readonly now: number }) {
  const { placed, columns, rows } = layOutLineage(progress.iterations);
  const byIndex = new Map(placed.map((one) => [one.iteration.index, one]));
  const edges = placed.flatMap((child) => {
    const parent = child.parentIndex === undefined ? undefined : byIndex.get(child.parentIndex);
    return parent === undefined ? [] : [{ parent, child }];
  });
  const origins = new Set(edges.map(({ child }) => child.iteration.origin ?? "new"));
  const width = MARGIN * 2 + columns.length * (CARD.width + GAP.x) - GAP.x;
  const bottom = HEAD + rows * (CARD.height + GAP.y);
  const height = bottom + (origins.size === 0 ? 0 : LEGEND);
  // Before the end there is no winner, only the best so far.
  const winner = progress.final === undefined ? undefined : progress.winner?.index;
  const frame = useRef<HTMLDivElement>(null);
  const root = placed[0];
  // A tall drawing begins where its root is, not above it.
  useLayoutEffect(() => {
    if (frame.current === null || root === undefined) return;
    const middle = topOf(root) + CARD.height / 2;
    frame.current.scrollTop = Math.max(0, middle - frame.current.clientHeight / 2);
  }, [root?.iteration.sessionId]);
  const label = `The lineage of the loop: ${formatCount(placed.length, "iteration")} in ${formatCount(columns.length, "round")}`;
  return (
    <div class="drawing" ref={frame} tabIndex={0} role="region" aria-label={label}>
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label={label}>
        {columns.map((round, column) => (
          <text class="round" x={MARGIN + column * (CARD.width + GAP.x) + CARD.width / 2} y={16} text-anchor="middle">
            {`round ${round}`}
          </text>
        ))}
        {edges.map(({ parent, child }) => (
          <Edge parent={parent} child={child} />
        ))}
        {placed.map((one) => (
          <Card key={one.iteration.index} placed={one} isWinner={one.iteration.index === winner} now={now} />
        ))}
        <Legend origins={origins} y={bottom + 14} />
      </svg>
    </div>
  );
}
