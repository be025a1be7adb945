import { formatDuration, formatScore, formatUsage } from "../../view/format-figures.ts";
import { renderOrigin } from "../../view/box-origin.ts";
import type { IterationProgress, LoopProgress } from "../../view/loop-progress.ts";
import { renderTable, type TableColumn } from "./render-table.ts";
import type { Style } from "./style.ts";

const COLUMNS: readonly TableColumn[] = [
  { title: "#", align: "right" },
  { title: "round", align: "right" },
  { title: "parent", align: "right" },
  { title: "box" },
  { title: "score", align: "right" },
  { title: "valid" },
  { title: "time", align: "right" },
  { title: "", shrink: true },
];

/** The iterations of a loop, one a row, the winner marked. */
export function renderIterationTable(progress: LoopProgress, style: Style, width: number): string[] {
  const winner = progress.winner?.index;
  const hasCost = Object.keys(progress.usage).length > 0;
  const columns = hasCost
    ? [...COLUMNS.slice(0, -1), { title: "cost", align: "right" as const }, ...COLUMNS.slice(-1)]
    : COLUMNS;
  const rows = progress.iterations.map((iteration) => [
    String(iteration.index),
    String(iteration.round),
    iteration.parentIndex === undefined ? "–" : String(iteration.parentIndex),
    renderOrigin(iteration.origin),
    iteration.verdict === undefined ? "–" : formatScore(iteration.verdict.score),
    renderValid(iteration, style),
    iteration.endedAt === undefined ? "–" : formatDuration(iteration.endedAt - iteration.startedAt),
    ...(hasCost ? [formatUsage(iteration.usage) || "–"] : []),
    iteration.index === winner ? renderWinner(iteration, style) : "",
  ]);
  return renderTable(columns, rows, style, width);
}

/** The best of attempts that were all refused has won nothing. */
function renderWinner(iteration: IterationProgress, style: Style): string {
  return iteration.verdict?.valid === false ? style.yellow("☆ best") : style.green("★ winner");
}

function renderValid(iteration: IterationProgress, style: Style): string {
  if (iteration.verdict !== undefined) return iteration.verdict.valid ? style.green("yes") : style.yellow("no");
  return iteration.status === "completed" ? "–" : style.red(iteration.status);
}
