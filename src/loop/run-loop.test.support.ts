import { SkeinError } from "../errors.ts";
import type { StoredEvent } from "../event/event.ts";
import type { ScriptedCall, ScriptedSandboxOptions } from "../testing/scripted-sandbox.ts";
import { refine } from "./drivers/refine.ts";
import type { Driver, LoopResult, Plan, RunLoopOptions, Verdict } from "./loop-types.ts";
import { runLoop } from "./run-loop.ts";

export type Options = RunLoopOptions<string, string, string>;

export const textOf = (events: readonly StoredEvent[]): string =>
  events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");

export function optionsWith(sandboxClient: Options["sandboxClient"], more: Partial<Options>): Options {
  return {
    task: "task",
    driver: refine() as Options["driver"],
    agentRun: { profile: { name: "scripted" }, taskToPrompt: (task) => task },
    output: { parse: textOf },
    sandboxClient,
    ...more,
  };
}

export function loop(
  sandboxClient: Options["sandboxClient"],
  more: Partial<Options>,
): Promise<LoopResult<string, string, string>> {
  return runLoop(optionsWith(sandboxClient, more));
}

/** An agent that answers with a number: how often it was asked in its conversation, and in which box. */
export const counting: NonNullable<ScriptedSandboxOptions["agent"]> = ({ memory, boxNumber }) => [
  { type: "text.delta", text: `${memory.prompts.length}@${boxNumber}` },
];

export const scoreOf = (scores: readonly number[], validFrom = 1): NonNullable<Options["validator"]> => ({
  validate: (_output, { iteration }): Verdict => ({
    valid: (scores[iteration] ?? 0) >= validFrom,
    score: scores[iteration] ?? 0,
  }),
});

/** A driver that plans what a list says, round by round. */
export function scripted(
  plans: readonly Plan<string>[],
  more: Partial<Driver<string, string, string>> = {},
): Driver<string, string, string> {
  let round = 0;
  return {
    name: "scripted",
    plan: () => (round < plans.length ? (plans[round++] as Plan<string>) : []),
    decide: () => (round >= plans.length ? "done" : "next"),
    ...more,
  };
}

export const methods = (calls: readonly ScriptedCall[]): string[] => calls.map(({ method }) => method);

export async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => "no error",
    (error: unknown) => (SkeinError.is(error) ? error.code : error),
  );
}

export async function collect(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}
