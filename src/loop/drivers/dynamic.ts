import { ValidationError } from "../../errors.ts";
import type { Driver, Iteration, LoopWinner } from "../loop-types.ts";
import { selectWinner, toWinner } from "../select-winner.ts";
import { requireCount } from "../../internal/require-count.ts";

/** What a planner may answer. */
export type Move<Task> =
  /** One more attempt, from the named iteration or from the default parent. */
  | { readonly move: "refine"; readonly task?: Task; readonly from?: number; readonly rationale?: string }
  /** Several attempts side by side. */
  | { readonly move: "fanout"; readonly tasks: readonly Task[]; readonly from?: number; readonly rationale?: string }
  /** The loop ends, and this iteration wins. */
  | { readonly move: "select"; readonly index: number }
  /** The loop ends; the best iteration wins. */
  | { readonly move: "stop" };

export interface PlannerContext {
  readonly signal: AbortSignal;
  /** Why the answer before was refused, on the second try. */
  readonly refused?: string;
}

export interface DynamicOptions<Task, Output> {
  planner(task: Task, history: readonly Iteration<Task, Output>[], context: PlannerContext): unknown;
  /** The most tasks of a fan-out. Default 8. */
  readonly maxFanout?: number;
}

/** What is wrong with a planner's answer; undefined when nothing is. */
function findFault(answer: unknown, ended: number, maxFanout: number): string | undefined {
  const { move, tasks, from, index } = (typeof answer === "object" && answer !== null ? answer : {}) as Record<
    string,
    unknown
  >;
  const isIteration = (value: unknown): boolean =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) < ended;
  const which = ended === 0 ? "there is none yet" : `there are 0 to ${ended - 1}`;
  if (from !== undefined && !isIteration(from)) return `"from" names an iteration that has ended; ${which}`;
  switch (move) {
    case "refine":
    case "stop":
      return undefined;
    case "fanout":
      return Array.isArray(tasks) && tasks.length >= 1 && tasks.length <= maxFanout
        ? undefined
        : `"tasks" is a list of 1 to ${maxFanout} tasks`;
    case "select":
      return isIteration(index) ? undefined : `"index" names an iteration that has ended; ${which}`;
    default:
      return '"move" is one of refine, fanout, select, stop';
  }
}

/**
 * A planner, such as a model, decides after each round what to do next. An answer that is no move is refused with the reason, and the planner
 * has one more try.
 *
 * @throws ValidationError `plan_invalid` from `plan`, after the second bad answer
 * @stable
 */
// oxlint-disable-next-line no-explicit-any -- a callback that is not annotated takes what the loop works on
export function dynamic<Task = any, Output = any>(
  options: DynamicOptions<Task, Output>,
): Driver<Task, Output, "go-on"> {
  const maxFanout = requireCount("maxFanout", options.maxFanout ?? 8);
  // By the loop's history: one driver may lead several loops. A loop that is resumed asks again for a plan that was empty.
  const selected = new WeakMap<readonly Iteration<Task, Output>[], number>();
  const ask = async (
    task: Task,
    history: readonly Iteration<Task, Output>[],
    context: { readonly signal: AbortSignal },
  ): Promise<Move<Task>> => {
    const first = await options.planner(task, history, context);
    const fault = findFault(first, history.length, maxFanout);
    if (fault === undefined) return first as Move<Task>;
    const second = await options.planner(task, history, { ...context, refused: fault });
    const again = findFault(second, history.length, maxFanout);
    if (again === undefined) return second as Move<Task>;
    throw new ValidationError(
      "plan_invalid",
      `The planner's answer is no move, and neither was the one before: ${again}.`,
    );
  };
  return {
    name: "dynamic",
    namesParents: true,
    async plan(task, history, context) {
      const answer = await ask(task, history, context);
      if (answer.move === "select") selected.set(history, answer.index);
      if (answer.move === "stop" || answer.move === "select") return [];
      const tasks = answer.move === "fanout" ? answer.tasks : [answer.task ?? task];
      return {
        tasks,
        ...(answer.from === undefined ? {} : { parentIndex: answer.from }),
        ...(answer.rationale === undefined ? {} : { rationale: answer.rationale }),
      };
    },
    decide: () => "go-on",
    selectWinner(history): LoopWinner<Task, Output> | undefined {
      return toWinner(history.find(({ index }) => index === selected.get(history))) ?? selectWinner(history);
    },
  };
}
