import type { Arbitrary } from "fast-check";
import { array, boolean, constant, constantFrom, nat, oneof, record } from "fast-check";
import { expect } from "vitest";
import type { LoopLineageOptions, LoopResult, Verdict } from "../../loop/loop-types.ts";
import { runLoop } from "../../loop/run-loop.ts";
import { createScriptedSandbox } from "../scripted-sandbox.ts";
import type { DriverKit } from "./driver-kit.ts";
import { watchDriver } from "./watched-driver.ts";

/** What comes of one attempt. */
type Outcome =
  | { readonly kind: "judged"; readonly output: number; readonly verdict: Verdict }
  | { readonly kind: "agent-fails" }
  | { readonly kind: "validator-fails"; readonly output: number };

/** What happens to a driver in one loop. Attempts beyond the list begin it again. */
export interface RandomLoop {
  readonly outcomes: readonly Outcome[];
  readonly validator: boolean;
  readonly lineage: LoopLineageOptions | undefined;
}

const verdicts = record({ valid: constant(false), score: nat(10).map((tenths) => tenths / 10) });
const judged = record({ kind: constant("judged" as const), output: nat(9), verdict: verdicts });

/** Loops with and without anything valid, with failures of every kind, with and without a validator. */
export function randomLoops(shares: boolean): Arbitrary<RandomLoop> {
  const outcome: Arbitrary<Outcome> = oneof(
    { arbitrary: judged, weight: 8 },
    { arbitrary: judged.map((one) => ({ ...one, verdict: { ...one.verdict, valid: true } })), weight: 1 },
    { arbitrary: constant({ kind: "agent-fails" as const }), weight: 1 },
    { arbitrary: record({ kind: constant("validator-fails" as const), output: nat(9) }), weight: 1 },
  );
  return record({
    outcomes: array(outcome, { minLength: 1, maxLength: 30 }),
    validator: boolean().map((off) => !off),
    lineage: shares
      ? constantFrom({ sessionContinuity: true }, { forkFanout: true }, { sessionContinuity: true, forkFanout: true })
      : constant(undefined),
  });
}

/** More would be a driver that never ends. */
const UNBOUNDED = 30;
const BOUNDED = 200;

export const limitOf = ({ maxIterations = BOUNDED }: Pick<DriverKit, "maxIterations">): number =>
  maxIterations === "unbounded" ? UNBOUNDED : maxIterations;

/** Runs the kernel with the driver, watched, over scripted boxes. Whatever the driver does wrong is thrown. */
export async function runRandomLoop<Task, Output>(
  kit: DriverKit<Task, Output>,
  { outcomes, validator, lineage }: RandomLoop,
): Promise<{ readonly result: LoopResult<Task, Output, unknown>; readonly peakBoxes: number }> {
  const outputs = kit.outputs ?? (["first", "second", "third"] as unknown as readonly Output[]);
  const outcomeOf = (index: number): Outcome => outcomes[index % outcomes.length] as Outcome;
  const sandboxClient = createScriptedSandbox({
    modes: ["memory"],
    // The box's own number is all that an agent knows of its iteration; which of the outputs it gives does not matter.
    *agent({ boxNumber, memory }) {
      const outcome = outcomeOf(boxNumber + memory.prompts.length);
      if (outcome.kind === "agent-fails") throw new Error("The agent failed, as the kit wanted it to.");
      yield { type: "text.delta", text: String(outcome.output % outputs.length) };
    },
  });
  const result = await runLoop<Task, Output, unknown>({
    task: kit.task,
    driver: watchDriver(kit),
    agentRun: { profile: { name: "scripted" }, taskToPrompt: (task) => JSON.stringify(task) },
    output: {
      parse: (events) => outputs[Number(events.find((event) => event.type === "text.delta")?.text)] as Output,
    },
    ...(validator
      ? {
          validator: {
            validate(_output, { iteration }) {
              const outcome = outcomeOf(iteration);
              if (outcome.kind === "validator-fails") throw new Error("The validator failed, as the kit wanted it to.");
              return outcome.kind === "judged" ? outcome.verdict : { valid: false, score: 0 };
            },
          },
        }
      : {}),
    sandboxClient,
    // One more than it may take, so that a driver that does not end in time is seen not to.
    maxIterations: limitOf(kit) + 1,
    ...(lineage === undefined ? {} : { lineage }),
    redact: false,
  });
  expect([...sandboxClient.alive], "boxes that are left").toEqual([]);
  return { result, peakBoxes: sandboxClient.peak };
}
