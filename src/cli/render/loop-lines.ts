import type { StoredEvent } from "../../event/event.ts";
import { formatCount, formatDuration, formatScore, formatUsage } from "../../view/format-figures.ts";
import { renderOrigin } from "../../view/box-origin.ts";
import type { IterationProgress, LoopProgress } from "../../view/loop-progress.ts";
import { toPlainLine } from "../../view/plain-text.ts";
import type { Style } from "./style.ts";
import { summarizeToolResult } from "../../view/activity.ts";
import { renderError, renderFinal } from "./task-stream.ts";

/** An iteration's outcome: its verdict, or its failure. */
export function renderOutcome(iteration: IterationProgress, style: Style): string {
  if (iteration.error !== undefined) return style.red(`✗ ${renderError(iteration.error)}`);
  const { verdict } = iteration;
  if (verdict === undefined)
    return iteration.status === "completed" ? style.green("✓ ended") : style.yellow(`■ ${iteration.status}`);
  const mark = verdict.valid
    ? style.green(`✓ ${formatScore(verdict.score)}`)
    : style.yellow(`✗ ${formatScore(verdict.score)}`);
  return verdict.notes === undefined ? mark : `${mark}  ${toPlainLine(verdict.notes).replace(/\.$/, "")}`;
}

/**
 * What deserves a line of its own in the history of a loop. `progress` holds the loop after this very event.
 * An event that only changes what is going on right now gives none.
 */
export function renderLoopEvent(event: StoredEvent, progress: LoopProgress, style: Style): string[] {
  if (progress.isChild(event.sessionId)) return [];
  switch (event.type) {
    case "run.started":
      return event.continues === undefined ? [] : [style.dim(`goes on after the interrupted run ${event.continues}`)];
    case "round.planned": {
      const cut =
        event.cut === undefined || event.cut === 0
          ? ""
          : style.yellow(`, ${event.cut} more cut by the limit of iterations`);
      const why = event.rationale === undefined ? "" : style.dim(`  ${toPlainLine(event.rationale)}`);
      return [`${style.bold(`round ${event.round}`)}  ${formatCount(event.tasks.length, "task")}${cut}${why}`];
    }
    case "iteration.started": {
      const iteration = progress.iterations.find(({ index }) => index === event.index);
      return iteration === undefined ? [] : [`  ${renderStart(iteration, style)}`];
    }
    case "iteration.ended": {
      const iteration = progress.iterations.find(({ index }) => index === event.index);
      if (iteration === undefined) return [];
      const spent = [formatDuration(event.at - iteration.startedAt), formatUsage(event.usage)]
        .filter((part) => part !== "")
        .join(" · ");
      return [`  #${iteration.index}  ${renderOutcome(iteration, style)}  ${style.dim(spent)}`];
    }
    case "box.delete-failed":
      return [
        style.yellow(
          `  box ${event.boxId} could not be deleted${event.error === undefined ? "" : `: ${renderError(event.error)}`}`,
        ),
      ];
    case "final":
      return renderFinal(event, style);
    default:
      return [];
  }
}

function renderStart(iteration: IterationProgress, style: Style): string {
  const parent = iteration.parentIndex === undefined ? "" : ` of #${iteration.parentIndex}`;
  const origin = renderOrigin(iteration.origin);
  const reason = iteration.originReason === undefined ? "" : style.dim(` (${toPlainLine(iteration.originReason)})`);
  return `#${iteration.index}  ${style.dim(iteration.agentRunName)}${origin === "" ? "" : `  ${origin}${parent}`}${reason}`;
}

/** Whether a tool says that it changed a file, as agents do with the difference that they made. */
export function showsChange(event: StoredEvent): boolean {
  if (event.type !== "tool.ended" || event.status !== "completed") return false;
  const content = (event.result as { content?: unknown } | undefined)?.content;
  return Array.isArray(content) && content.some((part: { type?: unknown } | null) => part?.type === "diff");
}

/** What an attempt tried and what came of it, as one line; nothing for the other events of an iteration. */
export function renderAttempt(
  event: StoredEvent,
  titles: Map<string, string>,
  progress: LoopProgress,
  style: Style,
): string[] {
  const child = progress.iterationOf(event.sessionId);
  if (child === undefined) return [];
  const key = `toolCallId` in event ? `${event.sessionId}/${event.toolCallId}` : "";
  if (event.type === "tool.started") {
    titles.set(key, toPlainLine(event.title ?? event.toolName));
    return [];
  }
  if (event.type !== "tool.ended") return [];
  const title = titles.get(key) ?? toPlainLine(event.toolName);
  titles.delete(key);
  const summary = summarizeToolResult(event.result);
  const outcome = event.status === "completed" ? summary : `${event.status}${summary === "" ? "" : `: ${summary}`}`;
  return [style.dim(`  #${child.index}    ▸ ${title}${outcome === "" ? "" : `  ${outcome}`}`)];
}
