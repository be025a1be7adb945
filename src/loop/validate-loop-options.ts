import { ValidationError } from "../errors.ts";
import { requireCount } from "../internal/require-count.ts";
import type { AgentRunSpec, RunLoopOptions } from "./loop-types.ts";

const DEFAULT_MAX_ITERATIONS = 10;
const DEFAULT_MAX_CONCURRENCY = 4;

/** What a loop runs with, once defaults are filled in and contradictions refused. */
export interface LoopSettings<Task> {
  readonly specs: readonly [AgentRunSpec<Task>, ...AgentRunSpec<Task>[]];
  readonly maxIterations: number;
  readonly maxConcurrency: number;
  readonly continuity: boolean;
  readonly fanout: boolean;
  readonly onlyMemory: boolean;
  readonly everyRound: boolean;
  readonly checkpointsTravel: boolean;
}

function refuse(message: string): never {
  throw new ValidationError("invalid_option", message);
}

function requireBudget(budget: NonNullable<RunLoopOptions<unknown, unknown, unknown>["budget"]>): void {
  for (const [name, value] of Object.entries(budget)) {
    if (value !== undefined && !(typeof value === "number" && value > 0))
      refuse(`budget.${name} is a positive number, not ${String(value)}.`);
  }
}

/** @throws ValidationError `invalid_option` */
export function validateLoopOptions<Task, Output, Decision>(
  options: RunLoopOptions<Task, Output, Decision>,
): LoopSettings<Task> {
  const { agentRun, agentRuns, driver, lineage = {}, onWorkerBox, budget = {} } = options;
  if ((agentRun === undefined) === (agentRuns === undefined))
    refuse("A loop takes exactly one of agentRun and agentRuns.");
  const [first, ...others] = agentRuns ?? [agentRun as AgentRunSpec<Task>];
  if (first === undefined) refuse("agentRuns must name at least one agent run.");
  for (const spec of [first, ...others]) {
    if (typeof spec.taskToPrompt !== "function") refuse("An agent run needs a taskToPrompt function.");
    if (typeof spec.profile?.name !== "string") refuse("An agent run needs a profile with a name.");
  }
  if (typeof driver?.plan !== "function" || typeof driver.decide !== "function")
    refuse("A driver needs plan and decide.");
  if (typeof options.output?.parse !== "function") refuse("A loop needs an output adapter with a parse function.");
  if (options.validator !== undefined && typeof options.validator.validate !== "function")
    refuse("A validator needs a validate function.");
  if (typeof options.sandboxClient?.create !== "function")
    refuse("A loop needs a sandboxClient that can create boxes.");
  const { sessionContinuity = false, forkFanout = false, checkpoints, checkpointsTravel = false } = lineage;
  const shares = sessionContinuity || forkFanout !== false;
  if (shares && onWorkerBox !== undefined)
    refuse("A lineage flag and onWorkerBox cannot go together: both would own the boxes.");
  if (shares && driver.independent === true) {
    refuse(
      `The driver ${driver.name ?? ""} takes independent samples, so its boxes must not share anything: leave the lineage flags off.`,
    );
  }
  if (![true, false, "memory"].includes(forkFanout))
    refuse(`lineage.forkFanout is true, false or "memory", not ${String(forkFanout)}.`);
  if (checkpoints !== undefined && !["when-forked", "every-round"].includes(checkpoints)) {
    refuse(`lineage.checkpoints is "when-forked" or "every-round", not ${String(checkpoints)}.`);
  }
  if (typeof checkpointsTravel !== "boolean")
    refuse(`lineage.checkpointsTravel is true or false, not ${String(checkpointsTravel)}.`);
  requireBudget(budget);
  return {
    specs: [first, ...others],
    maxIterations: requireCount("maxIterations", options.maxIterations ?? DEFAULT_MAX_ITERATIONS),
    maxConcurrency: requireCount("maxConcurrency", options.maxConcurrency ?? DEFAULT_MAX_CONCURRENCY),
    continuity: sessionContinuity,
    fanout: forkFanout !== false,
    onlyMemory: forkFanout === "memory",
    everyRound: checkpoints === "every-round",
    checkpointsTravel,
  };
}
