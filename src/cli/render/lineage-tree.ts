import { formatDuration, formatUsage } from "../../view/format-figures.ts";
import { renderOrigin } from "../../view/box-origin.ts";
import { renderOutcome } from "./loop-lines.ts";
import type { IterationProgress, LoopProgress } from "../../view/loop-progress.ts";
import { fitLine } from "../../view/plain-text.ts";
import type { Style } from "./style.ts";

/** Who descends from whom: every iteration under its parent, with its round, its box and its outcome. */
export function renderLineageTree(progress: LoopProgress, style: Style, width: number): string[] {
  const { iterations } = progress;
  const known = new Set(iterations.map(({ index }) => index));
  const children = new Map<number | undefined, IterationProgress[]>();
  for (const iteration of iterations) {
    // A parent that the log does not hold (a fork of a loop, a damaged log) must not hide its children; nor may a cycle.
    const { parentIndex } = iteration;
    const parent =
      parentIndex !== undefined && known.has(parentIndex) && parentIndex < iteration.index ? parentIndex : undefined;
    children.set(parent, [...(children.get(parent) ?? []), iteration]);
  }
  const winner = progress.winner?.index;
  const lines: string[] = [];
  const visit = (iteration: IterationProgress, lead: string, isLast: boolean): void => {
    const star =
      iteration.index !== winner ? "" : iteration.verdict?.valid === false ? style.yellow("☆ ") : style.green("★ ");
    const took = iteration.endedAt === undefined ? "" : formatDuration(iteration.endedAt - iteration.startedAt);
    const facts = [`round ${iteration.round}`, renderOrigin(iteration.origin), took, formatUsage(iteration.usage)]
      .filter((part) => part !== "")
      .join(" · ");
    lines.push(
      fitLine(
        `${lead}${isLast ? "└" : "├"}─ #${iteration.index} ${star}${style.dim(facts)}  ${renderOutcome(iteration, style)}`,
        width,
      ),
    );
    const below = children.get(iteration.index) ?? [];
    for (const [position, child] of below.entries())
      visit(child, `${lead}${isLast ? "   " : "│  "}`, position === below.length - 1);
  };
  const roots = children.get(undefined) ?? [];
  for (const [position, root] of roots.entries()) visit(root, "", position === roots.length - 1);
  return lines;
}
