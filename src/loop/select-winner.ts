import type { Iteration, LoopWinner } from "./loop-types.ts";

/** True where `left` is better than `right`: the higher score, and nothing for an output without one. */
function scoresHigher(left: Iteration<unknown, unknown>, right: Iteration<unknown, unknown>): boolean {
  return (left.verdict?.score ?? Number.NEGATIVE_INFINITY) > (right.verdict?.score ?? Number.NEGATIVE_INFINITY);
}

/** The iteration that is better for the winner's choice: valid before invalid, then the score; ties go to the earlier one. */
export function betterIteration<Entry extends Iteration<unknown, unknown>>(
  best: Entry | undefined,
  next: Entry,
): Entry {
  if (best === undefined) return next;
  const validBest = best.verdict?.valid === true;
  const validNext = next.verdict?.valid === true;
  if (validBest !== validNext) return validNext ? next : best;
  return scoresHigher(next, best) ? next : best;
}

/**
 * K9: the highest score among valid outputs, else among all outputs; ties go to the earliest. Iterations without an output cannot win.
 *
 * @stable
 */
export function selectWinner<Task, Output>(
  iterations: readonly Iteration<Task, Output>[],
): LoopWinner<Task, Output> | undefined {
  let best: Iteration<Task, Output> | undefined;
  for (const iteration of iterations) if (iteration.output !== undefined) best = betterIteration(best, iteration);
  return toWinner(best);
}

/** An iteration as the winner; without an output it cannot be one. */
export function toWinner<Task, Output>(
  iteration: Iteration<Task, Output> | undefined,
): LoopWinner<Task, Output> | undefined {
  if (iteration?.output === undefined) return undefined;
  const { index, agentRunName, task, output, verdict } = iteration;
  return { iterationIndex: index, agentRunName, task, output, ...(verdict === undefined ? {} : { verdict }) };
}
