import { formatCount, formatDuration, formatScore, formatUsage } from "../../view/format-figures.ts";
import { layOutLineage, type PlacedIteration } from "../../view/lineage-layout.ts";
import { renderSummary } from "./loop-block.ts";
import { renderOrigin } from "../../view/box-origin.ts";
import type { BoxOrigin, IterationProgress, LoopProgress } from "../../view/loop-progress.ts";
import { fitLine, toPlainLine } from "../../view/plain-text.ts";

const CARD = { width: 196, height: 62 };
const GAP = { x: 64, y: 16 };
const MARGIN = 24;
/** Above the cards: the title, the summary and the rounds. */
const HEAD = 92;
const LEGEND = 44;

/** Legible on white and on black, because the page behind a picture is not known; cards bring their own ground. */
const COLOUR = {
  page: "#7d8590",
  line: "#8b949e",
  card: "#f6f8fa",
  text: "#1f2328",
  quiet: "#57606a",
  good: "#1a7f37",
  weak: "#9a6700",
  bad: "#cf222e",
} as const;

/** How the line to a parent is drawn: the more is shared, the stronger. */
const EDGES: Readonly<Record<BoxOrigin, { readonly width: number; readonly dash?: string }>> = {
  continued: { width: 4 },
  memory: { width: 2 },
  files: { width: 2, dash: "7 4" },
  fresh: { width: 1.5, dash: "1.5 4" },
  new: { width: 1.5, dash: "1.5 4" },
};

/** XML allows no lone surrogates and no U+FFFE or U+FFFF, whatever an agent wrote. */
const NOT_XML = /[\uFFFE\uFFFF]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;
const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** A text from outside as text of the picture, never as markup. */
function escapeXml(text: string): string {
  return toPlainLine(text)
    .replaceAll(NOT_XML, "\uFFFD")
    .replaceAll(/[&<>"']/g, (character) => ENTITIES[character] as string);
}

interface TextStyle {
  readonly size?: number;
  readonly fill?: string;
  readonly bold?: boolean;
  readonly anchor?: "start" | "middle" | "end";
}

function text(
  x: number,
  y: number,
  content: string,
  { size = 12, fill = COLOUR.text, bold = false, anchor = "start" }: TextStyle = {},
): string {
  const weight = bold ? ' font-weight="600"' : "";
  const place = anchor === "start" ? "" : ` text-anchor="${anchor}"`;
  return `<text x="${x}" y="${y}" font-size="${size}" fill="${fill}"${weight}${place}>${escapeXml(content)}</text>`;
}

/** A five-pointed star, drawn because not every font has one. */
function star(x: number, y: number, fill: string): string {
  const points = Array.from({ length: 10 }, (_point, index) => {
    const radius = index % 2 === 0 ? 7 : 2.9;
    const angle = (Math.PI * index) / 5 - Math.PI / 2;
    return `${(x + radius * Math.cos(angle)).toFixed(1)},${(y + radius * Math.sin(angle)).toFixed(1)}`;
  });
  return `<polygon points="${points.join(" ")}" fill="${fill}"/>`;
}

const leftOf = ({ column }: PlacedIteration): number => MARGIN + column * (CARD.width + GAP.x);
const topOf = ({ row }: PlacedIteration): number => HEAD + row * (CARD.height + GAP.y);

/** From the parent's right side to the child's left side: the bend lies in the gap behind the parent, then the line keeps to the child's row. */
function drawEdge(parent: PlacedIteration, child: PlacedIteration): string {
  const { width, dash } = EDGES[child.iteration.origin ?? "new"];
  const [x1, y1] = [leftOf(parent) + CARD.width, topOf(parent) + CARD.height / 2];
  const [x2, y2] = [leftOf(child), topOf(child) + CARD.height / 2];
  const bend = x1 + GAP.x;
  const path = `M${x1} ${y1}C${x1 + GAP.x / 2} ${y1} ${bend - GAP.x / 2} ${y2} ${bend} ${y2}${x2 > bend ? `H${x2}` : ""}`;
  return `<path d="${path}" fill="none" stroke="${COLOUR.line}" stroke-width="${width}"${dash === undefined ? "" : ` stroke-dasharray="${dash}"`}/>`;
}

/** The score, or what there is instead of one. */
function outcomeOf({ error, verdict, status }: IterationProgress): { readonly label: string; readonly fill: string } {
  if (error !== undefined) return { label: "failed", fill: COLOUR.bad };
  if (verdict !== undefined)
    return { label: formatScore(verdict.score), fill: verdict.valid ? COLOUR.good : COLOUR.weak };
  return {
    label: status === "completed" ? "ended" : status,
    fill: status === "completed" ? COLOUR.good : COLOUR.quiet,
  };
}

function drawCard(placed: PlacedIteration, isWinner: boolean): string {
  const { iteration } = placed;
  const [x, y] = [leftOf(placed), topOf(placed)];
  const { label, fill } = outcomeOf(iteration);
  const isValid = iteration.verdict?.valid !== false;
  const mark = isValid ? COLOUR.good : COLOUR.weak;
  const took = iteration.endedAt === undefined ? "" : formatDuration(iteration.endedAt - iteration.startedAt);
  const afterIndex = x + 20 + `#${iteration.index}`.length * 9;
  const details = [iteration.verdict?.notes, iteration.error?.message, iteration.originReason, iteration.boxId].filter(
    (part) => part !== undefined,
  );
  const title = `#${iteration.index} ${iteration.agentRunName}${details.length === 0 ? "" : `: ${details.join(" · ")}`}`;
  return [
    `<g><title>${escapeXml(title)}</title>`,
    `<rect x="${x}" y="${y}" width="${CARD.width}" height="${CARD.height}" rx="8" fill="${COLOUR.card}" stroke="${isWinner ? mark : COLOUR.line}" stroke-width="${isWinner ? 3 : 1}"/>`,
    text(x + 12, y + 21, `#${iteration.index}`, { size: 13, bold: true }),
    ...(isWinner
      ? [
          star(afterIndex + 8, y + 16.5, mark),
          text(afterIndex + 19, y + 21, isValid ? "winner" : "best", { fill: mark, bold: true }),
        ]
      : []),
    text(x + CARD.width - 12, y + 21, label, { size: 13, fill, bold: true, anchor: "end" }),
    text(
      x + 12,
      y + 38,
      fitLine([renderOrigin(iteration.origin), took].filter((part) => part !== "").join(" · "), 30),
      { size: 11, fill: COLOUR.quiet },
    ),
    text(
      x + 12,
      y + 53,
      fitLine(
        [toPlainLine(iteration.agentRunName), formatUsage(iteration.usage)].filter((part) => part !== "").join(" · "),
        30,
      ),
      {
        size: 11,
        fill: COLOUR.quiet,
      },
    ),
    "</g>",
  ].join("");
}

/** Only the kinds of lines that the picture has. */
function drawLegend(origins: ReadonlySet<BoxOrigin>, y: number): string {
  let x = MARGIN;
  const parts: string[] = [];
  for (const origin of ["continued", "memory", "files", "fresh", "new"] as const) {
    if (!origins.has(origin)) continue;
    const { width, dash } = EDGES[origin];
    const label = renderOrigin(origin);
    parts.push(
      `<path d="M${x} ${y - 4}h28" stroke="${COLOUR.line}" stroke-width="${width}"${dash === undefined ? "" : ` stroke-dasharray="${dash}"`}/>`,
    );
    parts.push(text(x + 36, y, label, { size: 11, fill: COLOUR.page }));
    x += 36 + label.length * 6.2 + 26;
  }
  return parts.join("");
}

export interface LineageSvgOptions {
  /** Said above the picture: the session's id or title. */
  readonly title: string;
  /** Milliseconds since the epoch, for a loop that still runs. */
  readonly now: number;
}

/**
 * A loop as a picture: rounds from left to right, a card for each iteration with its score, box, time and cost, a line to the one that it
 * descends from, and the winner marked. Pure: the same loop gives the same bytes. What agents and tests said is in it as text only.
 */
export function renderLineageSvg(progress: LoopProgress, { title, now }: LineageSvgOptions): string {
  const { placed, columns, rows } = layOutLineage(progress.iterations);
  const byIndex = new Map(placed.map((one) => [one.iteration.index, one]));
  const origins = new Set<BoxOrigin>();
  const edges = placed.flatMap((child) => {
    const parent = child.parentIndex === undefined ? undefined : byIndex.get(child.parentIndex);
    if (parent === undefined) return [];
    origins.add(child.iteration.origin ?? "new");
    return [drawEdge(parent, child)];
  });
  const width = Math.max(640, MARGIN * 2 + columns.length * (CARD.width + GAP.x) - GAP.x);
  const bottom = HEAD + rows * (CARD.height + GAP.y);
  const height = bottom + (origins.size === 0 ? 8 : LEGEND);
  const until = progress.final === undefined ? now : (progress.startedAt ?? 0) + progress.final.durationMs;
  const status = progress.final === undefined ? "running" : progress.final.status;
  const characters = Math.floor((width - 2 * MARGIN) / 6.6);
  const summary = [status, toPlainLine(progress.driver ?? ""), renderSummary(progress, until)]
    .filter((part) => part !== "")
    .join(" · ");
  const label = `The lineage of a loop: ${formatCount(placed.length, "iteration")} in ${formatCount(columns.length, "round")}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(label)}" font-family="ui-sans-serif, system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif">`,
    text(MARGIN, 30, fitLine(toPlainLine(title), Math.floor(characters * 0.8)), {
      size: 15,
      fill: COLOUR.page,
      bold: true,
    }),
    text(MARGIN, 50, fitLine(summary, characters), { fill: COLOUR.page }),
    ...columns.map((round, column) =>
      text(MARGIN + column * (CARD.width + GAP.x) + CARD.width / 2, HEAD - 12, `round ${round}`, {
        size: 11,
        fill: COLOUR.page,
        anchor: "middle",
      }),
    ),
    ...edges,
    ...placed.map((one) => drawCard(one, one.iteration.index === progress.winner?.index)),
    drawLegend(origins, bottom + 16),
    "</svg>\n",
  ]
    .filter((line) => line !== "")
    .join("\n");
}
