import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isAbortError, SkeinError } from "../errors.ts";
import type { EventType, StoredEvent } from "../event/event.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import type { ScriptedCall, ScriptedSandboxOptions } from "../testing/scripted-sandbox.ts";
import { createScriptedSandbox } from "../testing/scripted-sandbox.ts";
import type { Driver, LoopResult, Plan, RunLoopOptions } from "./loop-types.ts";
import { runLoop } from "./run-loop.ts";

type Options = RunLoopOptions<string, string, string>;

/** `npm test` runs so many; SKEIN_PROPERTY_RUNS=100000 more. A failure prints its seed and path, which fast-check takes again. */
const RUNS = Number(process.env["SKEIN_PROPERTY_RUNS"] ?? 2000);

interface PlannedRound {
  readonly tasks: number;
  /** Seeds of the parents to name; empty: none is named. */
  readonly parents: readonly number[];
  /** Seeds of what to keep; undefined: the plan does not say. */
  readonly keep: readonly number[] | undefined;
  readonly firstValid: boolean;
}

interface Scenario {
  readonly rounds: readonly PlannedRound[];
  readonly continuity: boolean;
  readonly fanout: boolean | "memory";
  readonly everyRound: boolean;
  readonly modes: readonly ("memory" | "files")[] | undefined;
  readonly maxConcurrency: number;
  readonly maxIterations: number;
  /** Which calls fail, by their number. */
  readonly faults: readonly { readonly method: ScriptedCall["method"]; readonly nth: number }[];
  readonly agentFaults: readonly number[];
  readonly validatorFaults: readonly number[];
  readonly scores: readonly number[];
  /** The client call at which the loop is aborted. */
  readonly abortAt: number | undefined;
}

const round = fc.record({
  tasks: fc.integer({ min: 0, max: 4 }),
  parents: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }) },
  ),
  keep: fc.option(fc.array(fc.nat(20), { maxLength: 3 }), { nil: undefined, freq: 3 }),
  firstValid: fc.boolean(),
});

const scenarios: fc.Arbitrary<Scenario> = fc.record({
  rounds: fc.array(round, { minLength: 1, maxLength: 5 }),
  continuity: fc.boolean(),
  fanout: fc.constantFrom(false, true, "memory" as const),
  everyRound: fc.boolean(),
  modes: fc.constantFrom(undefined, [], ["memory", "files"] as const, ["files"] as const),
  maxConcurrency: fc.integer({ min: 1, max: 4 }),
  maxIterations: fc.integer({ min: 1, max: 12 }),
  faults: fc.array(
    fc.record({
      method: fc.constantFrom("create", "checkpoint", "fork", "delete", "status", "forkStatus"),
      nth: fc.integer({ min: 1, max: 6 }),
    }),
    { maxLength: 2 },
  ) as fc.Arbitrary<Scenario["faults"]>,
  agentFaults: fc.array(fc.nat(12), { maxLength: 2 }),
  validatorFaults: fc.array(fc.nat(12), { maxLength: 2 }),
  scores: fc.array(fc.constantFrom(0, 0.25, 0.5, 0.75, 1), { minLength: 12, maxLength: 12 }),
  abortAt: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined, freq: 3 }),
});

/** An answer holds everything that the conversation holds: what a branch inherited can be read from it. */
const agentOf = (scenario: Scenario): NonNullable<ScriptedSandboxOptions["agent"]> => {
  let turns = 0;
  return ({ memory }) => {
    if (scenario.agentFaults.includes(turns++)) throw new TypeError("agent fault");
    return [{ type: "text.delta", text: memory.prompts.join(",") }];
  };
};

function driverOf({ rounds }: Scenario): Driver<string, string, string> {
  let next = 0;
  return {
    name: "random",
    plan(_task, history): Plan<string> {
      const planned = rounds[next++];
      if (planned === undefined) return [];
      const tasks = Array.from({ length: planned.tasks }, (_, offset) => `r${next - 1}t${offset}`);
      const pick = (seed: number): number => seed % history.length;
      const named = planned.parents.length > 0 && history.length > 0;
      return {
        tasks,
        ...(named
          ? { parentIndex: tasks.map((_, offset) => pick(planned.parents[offset % planned.parents.length] ?? 0)) }
          : {}),
        ...(planned.keep === undefined || history.length === 0 ? {} : { keep: planned.keep.map(pick) }),
        ...(planned.firstValid ? { endWhen: "first-valid" } : {}),
      };
    },
    decide: () => (next >= rounds.length ? "done" : "next"),
  };
}

const textOf = (events: readonly StoredEvent[]): string =>
  events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");

interface Observed {
  readonly outcome: { readonly result: LoopResult<string, string, string> } | { readonly error: unknown };
  readonly calls: readonly ScriptedCall[];
  readonly alive: readonly string[];
  readonly peak: number;
  readonly busiest: number;
  readonly logs: ReadonlyMap<string, readonly StoredEvent[]>;
}

async function observe(scenario: Scenario): Promise<Observed> {
  const controller = new AbortController();
  const seen = new Map<string, number>();
  let calls = 0;
  let busy = 0;
  let busiest = 0;
  const client = createScriptedSandbox({
    agent: agentOf(scenario),
    ...(scenario.modes === undefined ? {} : { modes: scenario.modes }),
    async before({ method }) {
      const nth = (seen.get(method) ?? 0) + 1;
      seen.set(method, nth);
      if (++calls === scenario.abortAt) controller.abort();
      if (method === "create" || method === "fork" || method === "streamPrompt") {
        busiest = Math.max(busiest, ++busy);
        await Promise.resolve();
        busy--;
      }
      if (scenario.faults.some((fault) => fault.method === method && fault.nth === nth))
        throw new Error(`${method} fault`);
    },
  });
  const store = await openMemoryStore();
  const options: Options = {
    task: "task",
    driver: driverOf(scenario),
    agentRun: { profile: { name: "scripted" }, taskToPrompt: (task) => task },
    output: { parse: textOf },
    validator: {
      validate(_output, { iteration }) {
        if (scenario.validatorFaults.includes(iteration)) throw new RangeError("validator fault");
        const score = scenario.scores[iteration] ?? 0;
        return { valid: score >= 0.75, score };
      },
    },
    sandboxClient: client,
    store,
    sessionId: "l",
    maxConcurrency: scenario.maxConcurrency,
    maxIterations: scenario.maxIterations,
    lineage: {
      sessionContinuity: scenario.continuity,
      forkFanout: scenario.fanout,
      checkpoints: scenario.everyRound ? "every-round" : "when-forked",
    },
    signal: controller.signal,
  };
  const outcome = await runLoop(options).then(
    (result) => ({ result }),
    (error: unknown) => ({ error }),
  );
  const logs = new Map<string, StoredEvent[]>();
  for (const { id } of await store.list()) {
    const events: StoredEvent[] = [];
    for await (const event of store.read(id)) events.push(event);
    logs.set(id, events);
  }
  return { outcome, calls: client.calls, alive: [...client.alive], peak: client.peak, busiest, logs };
}

function checkLogs({ logs, outcome }: Observed): void {
  for (const [id, events] of logs) {
    expect(
      events.filter(({ type }) => type === "final"),
      `one final in ${id}`,
    ).toHaveLength(1);
    expect(events.at(-1)?.type).toBe("final");
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  }
  const loop = logs.get("l") ?? [];
  const count = (...types: EventType[]): number => loop.filter(({ type }) => types.includes(type)).length;
  expect(count("box.deleted", "box.delete-failed"), "every box is deleted").toBe(count("box.created", "box.forked"));
  if (!("error" in outcome) || isAbortError(outcome.error))
    expect(count("iteration.ended")).toBe(count("iteration.started"));
}

/** Only what the laws name may come out of a loop. */
function checkOutcome(scenario: Scenario, { outcome }: Observed): void {
  if (!("error" in outcome)) return;
  const { error } = outcome;
  if (isAbortError(error)) {
    expect(scenario.abortAt).toBeDefined();
    return;
  }
  const allowed = SkeinError.is(error)
    ? ["parent_gone", "fork_unsupported"].includes(error.code)
    : (error as Error).message === "status fault";
  if (SkeinError.is(error) && error.code === "conversation_gone")
    return expect(scenario.agentFaults.length + scenario.faults.length).toBeGreaterThan(0);
  expect(allowed, String(error)).toBe(true);
}

function checkBoxes(scenario: Scenario, { calls, alive, busiest }: Observed): void {
  if (!scenario.faults.some(({ method }) => method === "delete")) expect(alive).toEqual([]);
  expect(busiest).toBeLessThanOrEqual(scenario.maxConcurrency);
  const count = (method: ScriptedCall["method"]): number => calls.filter((call) => call.method === method).length;
  expect(count("forkStatus"), "the client is asked once").toBeLessThanOrEqual(1);
  if (!scenario.continuity && scenario.fanout === false) {
    expect(count("status") + count("checkpoint") + count("fork"), "K1").toBe(0);
    expect(
      calls.every(({ method, sessionId }) => method !== "streamPrompt" || sessionId === undefined),
      "K1",
    ).toBe(true);
  }
  // K5: a box that was prompted before is asked for its conversation before it is prompted again.
  const prompted = new Set<string>();
  let proven = new Set<string>();
  for (const { method, boxId = "" } of calls) {
    if (method === "status") proven.add(boxId);
    if (method !== "streamPrompt") continue;
    if (prompted.has(boxId)) expect(proven.has(boxId), "K5").toBe(true);
    prompted.add(boxId);
    proven = new Set([...proven].filter((id) => id !== boxId));
  }
}

function checkResult(scenario: Scenario, { outcome, logs }: Observed): void {
  if ("error" in outcome) return;
  const { iterations, winner, status } = outcome.result;
  expect(iterations.length).toBeLessThanOrEqual(scenario.maxIterations);
  expect(iterations.map(({ index }) => index)).toEqual(iterations.map((_, index) => index));
  // What a branch inherited is what its log says: its parent's conversation, or nothing.
  const loop = logs.get("l") ?? [];
  for (const { index, output, task, parentIndex, boxId } of iterations) {
    if (output === undefined) continue;
    const forked = loop.find((event) => event.type === "box.forked" && event.boxId === boxId);
    const continued = loop.some((event) => event.type === "box.continued" && event.index === index);
    const shares = continued || (forked?.type === "box.forked" && forked.mode !== "fresh" && forked.index === index);
    const parent = parentIndex === undefined ? undefined : iterations[parentIndex];
    if (!shares) expect(output, `iteration ${index} is fresh`).toBe(task);
    else if (parent?.output !== undefined)
      expect(output, `iteration ${index} goes on from ${parentIndex}`).toBe(`${parent.output},${task}`);
  }
  // K9, by sorting everything.
  const ranked = iterations
    .filter(({ output }) => output !== undefined)
    .toSorted(
      (a, b) =>
        Number(b.verdict?.valid ?? false) - Number(a.verdict?.valid ?? false) ||
        (b.verdict?.score ?? -Infinity) - (a.verdict?.score ?? -Infinity) ||
        a.index - b.index,
    );
  expect(winner?.iterationIndex).toBe(ranked[0]?.index);
  expect(status).toBe(iterations.some(({ verdict }) => verdict?.valid === true) ? "completed" : "failed");
}

describe("the kernel under random drivers, faults and aborts", () => {
  it(`K1, K2, K3, K4, K5, K6, K7, K8, K9, K11: hold in each of ${RUNS} runs`, { timeout: 600_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(scenarios, async (scenario) => {
        const observed = await observe(scenario);
        checkLogs(observed);
        checkOutcome(scenario, observed);
        checkBoxes(scenario, observed);
        checkResult(scenario, observed);
      }),
      { numRuns: RUNS },
    );
  });
});
