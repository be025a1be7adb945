import type { EventBody, JsonValue } from "../event/event.ts";
import type { AgentRunSpec, RunLoopOptions } from "./loop-types.ts";
import type { LoopSettings } from "./validate-loop-options.ts";

/** How an agent run is called in the log. */
export function nameOf<Task>({ name, profile }: AgentRunSpec<Task>): string {
  return name ?? profile.name;
}

/** What a loop's run begins with. */
export function toLoopStart<Task, Output, Decision>(
  { task, driver, budget, lineage }: RunLoopOptions<Task, Output, Decision>,
  { specs, maxIterations, maxConcurrency }: LoopSettings<Task>,
  fingerprint: string,
  continues: string | undefined,
): EventBody[] {
  return [
    {
      type: "run.started",
      kind: "loop",
      task: task as JsonValue,
      ...(continues === undefined ? {} : { continues }),
    },
    {
      type: "loop.started",
      driver: driver.name ?? "custom",
      agentRunNames: specs.map(nameOf),
      fingerprint,
      maxIterations,
      maxConcurrency,
      ...(budget === undefined ? {} : { budget }),
      ...(lineage === undefined ? {} : { lineage }),
    },
  ];
}
