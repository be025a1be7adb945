import { expect } from "vitest";
import type { Driver, Iteration, LoopWinner } from "../../loop/loop-types.ts";
import { parsePlan } from "../../loop/round-plan.ts";
import type { DriverKit } from "./driver-kit.ts";

const fromJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/**
 * The driver of a kit, asked everything three times: once for the loop, once more, and once as a driver that was made anew and knows only
 * what a log holds. What it answers must be the same, be JSON, and leave the history as it was.
 */
export function watchDriver<Task, Output>({ create }: DriverKit<Task, Output>): Driver<Task, Output, unknown> {
  const driver = create();
  const { name, independent, namesParents } = driver;

  async function same<Answer>(
    what: string,
    history: readonly Iteration<Task, Output>[],
    ask: (asked: Driver<Task, Output, unknown>, over: readonly Iteration<Task, Output>[]) => Answer | Promise<Answer>,
  ): Promise<Answer> {
    const before = JSON.stringify(history);
    const again = await ask(driver, history);
    const anew = await ask(create(), fromJson(history));
    // Last, so that what a driver remembers of its latest question belongs to the loop.
    const answer = await ask(driver, history);
    expect(JSON.stringify(history), `${what} changed the history`).toBe(before);
    expect(again, `${what} answers the same history in another way when it is asked again`).toEqual(answer);
    expect(anew, `${what} answers a history from a log in another way, with a driver that was made anew`).toEqual(
      answer,
    );
    return answer;
  }

  return {
    ...(name === undefined ? {} : { name }),
    ...(independent === undefined ? {} : { independent }),
    ...(namesParents === undefined ? {} : { namesParents }),
    async plan(task, history, context) {
      const plan = await same("plan", history, (asked, over) => asked.plan(task, over, context));
      expect(fromJson(plan), "a plan is JSON").toEqual(plan);
      const { parents, keep } = parsePlan(plan, history.length, Number.POSITIVE_INFINITY);
      if (independent === true) expect({ parents, keep }, "an independent driver names no parents").toEqual({});
      return plan;
    },
    async decide(history, context) {
      const decision = await same("decide", history, (asked, over) => asked.decide(over, context));
      expect(decision, "decide always decides").toBeDefined();
      expect(fromJson(decision), "a decision is JSON").toEqual(decision);
      return decision;
    },
    ...(driver.selectWinner === undefined
      ? {}
      : { selectWinner: (history): LoopWinner<Task, Output> | undefined => driver.selectWinner?.(history) }),
  };
}
