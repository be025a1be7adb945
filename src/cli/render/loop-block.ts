import { formatCount, formatDuration, formatScore, formatUsage } from "../../view/format-figures.ts";
import { renderOrigin } from "../../view/box-origin.ts";
import type { LoopProgress } from "../../view/loop-progress.ts";
import { fitLine } from "../../view/plain-text.ts";
import type { Style } from "./style.ts";

/** More attempts than this are counted, not listed: the block must stay smaller than the screen. */
const MAX_ATTEMPTS = 8;

export interface LoopBlockOptions {
  readonly style: Style;
  readonly columns: number;
  readonly now: number;
  /** Shown while the loop is being stopped, or boxes are not contained. */
  readonly notice?: string;
}

/** The lines that are redrawn while a loop runs: where it is, and what each attempt does right now. */
export function renderLoopBlock(progress: LoopProgress, options: LoopBlockOptions): string[] {
  const { style, columns, now, notice } = options;
  if (progress.final !== undefined) return [];
  const { running } = progress;
  const lines = running.slice(0, MAX_ATTEMPTS).map((iteration) => {
    const origin = renderOrigin(iteration.origin);
    const what =
      iteration.activity === "" ? (iteration.status === "running" ? "starting" : iteration.status) : iteration.activity;
    return `  ${style.cyan("▸")} #${iteration.index} ${style.dim(`${formatDuration(now - iteration.startedAt)}${origin === "" ? "" : ` ${origin}`}`)}  ${what}`;
  });
  if (running.length > MAX_ATTEMPTS) lines.push(style.dim(`    and ${running.length - MAX_ATTEMPTS} more`));
  if (progress.waiting > 0)
    lines.push(
      `  ${style.cyan("▸")} ${style.dim(progress.waiting === 1 ? "1 waits for its box" : `${progress.waiting} wait for their boxes`)}`,
    );
  lines.push(`  ${style.dim(renderSummary(progress, now))}`);
  if (notice !== undefined && notice !== "") lines.push(`  ${style.yellow(notice)}`);
  return lines.map((line) => fitLine(line, columns));
}

/** One line on the whole loop: rounds, iterations, boxes, best score, cost as far as it is known, time. */
export function renderSummary(progress: LoopProgress, now: number): string {
  const ended = progress.iterations.length - progress.running.length;
  const best = progress.winner?.verdict;
  const limit = progress.limits?.maxIterations;
  const parts = [
    formatCount(progress.rounds.length, "round"),
    `${ended}${limit === undefined ? "" : ` of at most ${limit}`} iterations`,
    progress.boxes.size === 0 ? "" : progress.boxes.size === 1 ? "1 box" : `${progress.boxes.size} boxes`,
    best === undefined ? "" : `best ${formatScore(best.score)}`,
    formatUsage(progress.usage),
    progress.startedAt === undefined ? "" : formatDuration(now - progress.startedAt),
  ];
  return parts.filter((part) => part !== "").join(" · ");
}
