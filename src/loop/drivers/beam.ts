import type { Driver, Iteration } from "../loop-types.ts";
import { betterIteration } from "../select-winner.ts";
import { requireCount } from "../../internal/require-count.ts";

export interface BeamOptions<Task> {
  /** How many branches are kept after each round. */
  readonly width: number;
  /** How many branches each kept one grows in a round. */
  readonly branch: number;
  /** The most rounds. Default 5. */
  readonly depth?: number;
  /** The task of a branch, from the first one and its parent. Default: the same task again. */
  next?(task: Task, parent: Iteration<Task, unknown>): Task;
}

type Branch = Iteration<unknown, unknown>;

/** The best of a list, best first; ties keep their order. Iterations that failed lead nowhere. */
function bestOf<Entry extends Branch>(candidates: readonly Entry[], count: number): Entry[] {
  const usable = candidates.filter(({ error }) => error === undefined);
  return usable.sort((a, b) => (a === b ? 0 : betterIteration(a, b) === a ? -1 : 1)).slice(0, count);
}

/** The branches that are kept after the rounds so far: from the history alone, as a driver has no other state. */
function frontierOf<Entry extends Branch>(history: readonly Entry[], width: number): Entry[] {
  let frontier: Entry[] = [];
  let round: Entry[] = [];
  for (const [position, iteration] of history.entries()) {
    round.push(iteration);
    if (history[position + 1]?.round === iteration.round) continue;
    frontier = bestOf(
      [...frontier, ...round].sort((a, b) => a.index - b.index),
      width,
    );
    round = [];
  }
  return frontier;
}

/**
 * Beam search: keep the best `width` branches, grow `branch` new ones from each, until one is valid or `depth` rounds are over.
 * With `lineage.forkFanout` a branch starts from everything that its parent did, which is what makes this search cheap; the boxes of all
 * other branches are deleted at once.
 *
 * @stable
 */
// oxlint-disable-next-line no-explicit-any -- a callback that is not annotated takes what the loop works on
export function beam<Task = any, Output = any>(
  options: BeamOptions<Task>,
): Driver<Task, Output, "pick-winner" | "beam"> {
  const width = requireCount("width", options.width);
  const branch = requireCount("branch", options.branch);
  const depth = requireCount("depth", options.depth ?? 5);
  return {
    name: "beam",
    namesParents: true,
    plan(task, history) {
      if (history.length === 0) return Array.from({ length: width }, () => task);
      const frontier = frontierOf(history, width);
      const parents = frontier.flatMap((parent) => Array.from({ length: branch }, () => parent));
      return {
        tasks: parents.map((parent) => options.next?.(task, parent) ?? task),
        parentIndex: parents.map(({ index }) => index),
        keep: frontier.map(({ index }) => index),
      };
    },
    decide(history) {
      if (history.some(({ verdict }) => verdict?.valid === true)) return "pick-winner";
      return (history.at(-1)?.round ?? 0) + 1 >= depth || frontierOf(history, width).length === 0
        ? "pick-winner"
        : "beam";
    },
  };
}
