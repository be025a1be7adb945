import { ValidationError } from "../../errors.ts";
import type { Driver, Iteration, LoopWinner } from "../loop-types.ts";
import { toWinner } from "../select-winner.ts";
import { requireCount } from "../../internal/require-count.ts";

/** Answers with the index of the iteration that should win. It is handed only iterations that have an output. */
export type Judge<Task, Output> = (
  candidates: readonly Iteration<Task, Output>[],
  context: { readonly signal: AbortSignal },
) => number | Promise<number>;

export interface FanoutVoteOptions<Task, Output> {
  /** How many attempts vote. */
  readonly k: number;
  /** What makes two outputs the same vote. Default: their JSON. */
  key?(output: Output): string;
  /** Decides instead of the majority. It is never one of the workers. */
  readonly judge?: Judge<Task, Output>;
}

/** Valid outputs where there are any, else all. */
function candidatesOf<Task, Output>(history: readonly Iteration<Task, Output>[]): Iteration<Task, Output>[] {
  const answered = history.filter(({ output, error }) => output !== undefined && error === undefined);
  const valid = answered.filter(({ verdict }) => verdict?.valid === true);
  return valid.length > 0 ? valid : answered;
}

/** The first iteration of the largest group of equal outputs; ties go to the group that began earlier. */
function majorityOf<Task, Output>(
  candidates: readonly Iteration<Task, Output>[],
  key: (output: Output) => string,
): Iteration<Task, Output> | undefined {
  const votes = new Map<string, Iteration<Task, Output>[]>();
  for (const candidate of candidates) {
    const vote = key(candidate.output as Output);
    votes.set(vote, [...(votes.get(vote) ?? []), candidate]);
  }
  let largest: Iteration<Task, Output>[] = [];
  for (const group of votes.values()) if (group.length > largest.length) largest = group;
  return largest[0];
}

/**
 * k attempts side by side; what most of them say wins, or what a judge picks.
 *
 * @throws ValidationError `plan_invalid` from `decide`, when a judge picks what was not handed to it
 * @stable
 */
// oxlint-disable-next-line no-explicit-any -- a callback that is not annotated takes what the loop works on
export function fanoutVote<Task = any, Output = any>(
  options: FanoutVoteOptions<Task, Output>,
): Driver<Task, Output, "pick-winner"> {
  const k = requireCount("k", options.k);
  const key = options.key ?? ((output: Output) => JSON.stringify(output));
  // By the loop's history: one driver may lead several loops.
  const picked = new WeakMap<readonly Iteration<Task, Output>[], Iteration<Task, Output>>();
  return {
    name: options.judge === undefined ? "fanoutVote" : "fanoutVote:judge",
    plan: (task, history) => (history.length > 0 ? [] : Array.from({ length: k }, () => task)),
    async decide(history, { signal }): Promise<"pick-winner"> {
      const candidates = candidatesOf(history);
      if (options.judge !== undefined && candidates.length > 0) {
        const index = await options.judge(candidates, { signal });
        const winner = candidates.find((candidate) => candidate.index === index);
        if (winner === undefined) {
          throw new ValidationError(
            "plan_invalid",
            `The judge picked ${String(index)}; it may pick one of ${candidates.map((candidate) => candidate.index).join(", ")}.`,
          );
        }
        picked.set(history, winner);
      }
      return "pick-winner";
    },
    selectWinner(history): LoopWinner<Task, Output> | undefined {
      return toWinner(picked.get(history) ?? majorityOf(candidatesOf(history), key));
    },
  };
}
