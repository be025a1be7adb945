import { formatCount } from "../../view/format-figures.ts";
import { renderLineageTree } from "./lineage-tree.ts";
import { renderSummary } from "./loop-block.ts";
import type { LoopProgress } from "../../view/loop-progress.ts";
import type { Style } from "./style.ts";
import { renderError, renderFinal, renderStatus } from "./task-stream.ts";

/** What a loop did, for someone who was not there: how it ended, what failed, then who descends from whom. */
export function renderLoop(
  progress: LoopProgress,
  style: Style,
  options: { readonly width: number; readonly now: number },
): string[] {
  const lines: string[] = [];
  if (progress.final === undefined)
    lines.push(renderStatus(progress.startedAt === undefined ? "created" : "running", style));
  else lines.push(...renderFinal(progress.final, style));
  const { limits } = progress;
  const flags = [
    limits?.lineage?.sessionContinuity === true ? "continues its parent" : "",
    limits?.lineage?.forkFanout !== undefined && limits.lineage.forkFanout !== false ? "forks its parent" : "",
  ].filter((flag) => flag !== "");
  const summary = renderSummary(
    progress,
    progress.final === undefined ? options.now : (progress.startedAt ?? 0) + progress.final.durationMs,
  );
  lines.push(style.dim([progress.driver ?? "", ...flags, summary].filter((part) => part !== "").join(" · ")));

  const failures = progress.iterations.filter(({ error }) => error !== undefined);
  if (failures.length > 0 || progress.deleteFailures.length > 0) {
    lines.push("", style.bold(`what failed (${failures.length + progress.deleteFailures.length})`));
    for (const { index, error } of failures)
      if (error !== undefined) lines.push(style.red(`  #${index}  ${renderError(error)}`));
    for (const { boxId, error } of progress.deleteFailures) {
      lines.push(
        style.yellow(`  box ${boxId} could not be deleted${error === undefined ? "" : `: ${renderError(error)}`}`),
      );
    }
  }
  if (progress.iterations.length > 0) {
    lines.push(
      "",
      style.bold(formatCount(progress.iterations.length, "iteration")),
      ...renderLineageTree(progress, style, options.width),
    );
  }
  return lines;
}
