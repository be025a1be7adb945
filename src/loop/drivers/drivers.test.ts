import { describe, expect, it } from "vitest";
import { openMemoryStore } from "../../store/memory/index.ts";
import { SkeinError } from "../../errors.ts";
import type { StoredEvent } from "../../event/event.ts";
import type { ScriptedSandbox, ScriptedTurn } from "../../testing/scripted-sandbox.ts";
import { createScriptedSandbox } from "../../testing/scripted-sandbox.ts";
import type { Driver, LoopResult, RunLoopOptions } from "../loop-types.ts";
import { runLoop } from "../run-loop.ts";
import type { BeamOptions } from "./beam.ts";
import { beam } from "./beam.ts";
import { dynamic } from "./dynamic.ts";
import { fanoutVote } from "./fanout-vote.ts";
import { fanout } from "./fanout.ts";
import { race } from "./race.ts";
import { refine } from "./refine.ts";

type Options = RunLoopOptions<string, string, unknown>;

const textOf = (events: readonly StoredEvent[]): string =>
  events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");

function loop<Decision>(
  driver: Driver<string, string, Decision>,
  scores: readonly number[],
  more: Partial<Options> = {},
): Promise<LoopResult<string, string, unknown>> {
  return runLoop<string, string, unknown>({
    task: "task",
    driver,
    agentRun: { profile: { name: "scripted" }, taskToPrompt: (task) => task },
    output: { parse: textOf },
    validator: {
      validate: (_output, { iteration }) => ({ valid: (scores[iteration] ?? 0) >= 1, score: scores[iteration] ?? 0 }),
    },
    sandboxClient: createScriptedSandbox(),
    maxIterations: 50,
    maxConcurrency: 1,
    ...more,
  });
}

const shapeOf = ({ iterations, decision }: LoopResult<string, string, unknown>): unknown => [
  iterations.map(({ round }) => round),
  decision,
];

describe("refine", () => {
  it("stops when nothing got better for as many rounds as it is patient", async () => {
    expect(shapeOf(await loop(refine({ patience: 2 }), [0.1, 0.3, 0.3, 0.2]))).toEqual([[0, 1, 2, 3], "stop"]);
    expect(shapeOf(await loop(refine({ patience: 1 }), [0.5, 0.5]))).toEqual([[0, 1], "stop"]);
  });

  it("ends with the first output where there is no validator", async () => {
    const result = await runLoop({
      task: "task",
      driver: refine<string, string>(),
      agentRun: { profile: { name: "scripted" }, taskToPrompt: (task) => task },
      output: { parse: textOf },
      sandboxClient: createScriptedSandbox(),
    });
    expect(result).toMatchObject({ status: "completed", reason: "done", winner: { iterationIndex: 0 } });
  });

  it("makes the next task from the attempt before", async () => {
    const driver = refine<string, string>({
      next: (task, previous) => `${task}, again after ${previous.verdict?.score}`,
    });
    const result = await loop(driver, [0.5, 1]);
    expect(result.iterations.map(({ task }) => task)).toEqual(["task", "task, again after 0.5"]);
  });
});

describe("fanout", () => {
  it("goes on for as many rounds as it has, until one is valid", async () => {
    expect(shapeOf(await loop(fanout({ k: 2, rounds: 2 }), []))).toEqual([[0, 0, 1, 1], "pick-winner"]);
    expect(shapeOf(await loop(fanout({ k: 2, rounds: 3 }), [0, 0, 1]))).toEqual([[0, 0, 1, 1], "pick-winner"]);
    expect(shapeOf(await loop(fanout({ k: 2, prepare: true }), []))).toEqual([[0, 1, 1], "pick-winner"]);
  });
});

describe("race", () => {
  it("aborts the others once one is valid", async () => {
    const agent = async function* ({
      boxNumber,
      signal,
    }: ScriptedTurn): AsyncGenerator<{ type: "text.delta"; text: string }> {
      yield { type: "text.delta", text: `${boxNumber}` };
      if (boxNumber === 1)
        await new Promise((_resolve, reject) =>
          signal?.addEventListener("abort", () => reject(new Error("cancelled"))),
        );
    };
    const result = await loop(race(3), [0, 1, 1], {
      sandboxClient: createScriptedSandbox({ agent }),
      maxConcurrency: 2,
    });
    expect(result.winner?.iterationIndex).toBe(1);
    expect(result.iterations.map(({ verdict }) => verdict !== undefined)).toEqual([false, true, false]);
  });
});

describe("beam", () => {
  async function search(
    scores: readonly number[],
    options: BeamOptions<string>,
  ): Promise<{ result: LoopResult<string, string, unknown>; alive: number[]; client: ScriptedSandbox }> {
    const client = createScriptedSandbox({ modes: ["memory"] });
    const alive: number[] = [];
    const driver = beam<string, string>(options);
    const result = await loop(
      {
        ...driver,
        decide: (...args: Parameters<typeof driver.decide>) => (alive.push(client.alive.size), driver.decide(...args)),
      },
      scores,
      { sandboxClient: client, lineage: { forkFanout: true, sessionContinuity: true } },
    );
    return { result, alive, client };
  }

  it("keeps the best branches and grows new ones from each", async () => {
    const { result } = await search([0.1, 0.2, 0.15, 0.3, 0.25, 0.1, 0.9, 0.4], { width: 2, branch: 2, depth: 3 });
    expect(result.iterations.map(({ parentIndex }) => parentIndex)).toEqual([
      undefined,
      undefined,
      1,
      1,
      0,
      0,
      3,
      3,
      4,
      4,
    ]);
    expect(result).toMatchObject({ decision: "pick-winner", winner: { iterationIndex: 6 } });
  });

  it("K8: never holds more boxes than its frontier and what it grows from it", async () => {
    const { alive, client } = await search([], { width: 2, branch: 3, depth: 4 });
    expect(alive).toEqual([2, 8, 8, 8]);
    expect(client.peak).toBe(8);
    expect(client.alive.size).toBe(0);
  });

  it("ends with the first valid branch", async () => {
    const { result } = await search([0, 0, 0, 1], { width: 2, branch: 1 });
    expect(result.iterations).toHaveLength(4);
    expect(result.winner?.iterationIndex).toBe(3);
  });
});

describe("fanoutVote", () => {
  const answers = (list: readonly string[]): ScriptedSandbox =>
    createScriptedSandbox({ agent: ({ boxNumber }) => [{ type: "text.delta", text: list[boxNumber - 1] ?? "" }] });

  it("lets the majority win, and the group that began earlier where there is none", async () => {
    const vote = async (list: readonly string[]): Promise<unknown> => {
      const result = await loop(
        fanoutVote({ k: list.length }),
        list.map(() => 1),
        { sandboxClient: answers(list) },
      );
      return result.winner?.iterationIndex;
    };
    expect(await vote(["a", "b", "c", "b"])).toBe(1);
    expect(await vote(["a", "b", "b", "a"])).toBe(0);
    expect(await vote(["a", "b"])).toBe(0);
  });

  it("counts the valid outputs alone where there are any", async () => {
    const result = await loop(fanoutVote({ k: 3 }), [0, 0, 1], { sandboxClient: answers(["a", "a", "b"]) });
    expect(result.winner?.iterationIndex).toBe(2);
  });

  it("asks the judge, and refuses a pick that was not handed to it", async () => {
    const judge = fanoutVote<string, string>({ k: 3, judge: async (candidates) => candidates.at(-1)?.index ?? -1 });
    expect((await loop(judge, [1, 1, 1])).winner?.iterationIndex).toBe(2);
    await expect(loop(fanoutVote({ k: 2, judge: () => 7 }), [1, 1])).rejects.toMatchObject({ code: "plan_invalid" });
  });

  it("K10: asks no judge twice: what it said is in the log, for the loop that goes on", async () => {
    let asked = 0;
    const judge = (candidates: readonly { readonly index: number }[]): number => {
      asked++;
      return candidates.at(-1)?.index ?? -1;
    };
    const vote = (): Options["driver"] => fanoutVote<string, string>({ k: 3, judge });
    await using whole = await openMemoryStore();
    const options = { sessionId: "judged", sandboxClient: answers(["a", "a", "b"]) };
    await loop(vote(), [1, 1, 1], { ...options, store: whole });

    // The same logs in another store, as they were when a process died right after the decision.
    await using cut = await openMemoryStore();
    for (const { id, kind } of await whole.list()) {
      await cut.create({ id, kind });
      await using writer = await cut.openWriter(id);
      for await (const event of whole.read(id)) {
        await writer.append([event]);
        if (event.type === "custom" && event.name === "loop.winner") break;
      }
    }
    const resumed = await loop(vote(), [1, 1, 1], { ...options, store: cut, resume: true });
    expect(resumed).toMatchObject({ winner: { iterationIndex: 2, output: "b" }, decision: "pick-winner" });
    expect(asked).toBe(1);
  });
});

describe("dynamic", () => {
  it("carries out a planner's moves", async () => {
    const moves = [{ move: "refine" }, { move: "fanout", tasks: ["a", "b"], from: 0 }, { move: "select", index: 1 }];
    const result = await loop(dynamic({ planner: () => moves.shift() }), [0.9, 0.1, 0.2], {
      sandboxClient: createScriptedSandbox({ modes: ["memory"] }),
      lineage: { forkFanout: true },
    });
    expect(result.iterations.map(({ task, parentIndex }) => [task, parentIndex])).toEqual([
      ["task", undefined],
      ["a", 0],
      ["b", 0],
    ]);
    expect(result).toMatchObject({ decision: "go-on", winner: { iterationIndex: 1 } });
  });

  it("refuses a malformed move with the reason, once; a second one fails the loop", async () => {
    const reasons: (string | undefined)[] = [];
    const answers: unknown[] = [{ move: "dance" }, { move: "refine" }, { move: "fanout", tasks: [] }, { move: "stop" }];
    const planner = (_task: string, _history: unknown, { refused }: { refused?: string }): unknown => (
      reasons.push(refused),
      answers.shift()
    );
    await loop(dynamic({ planner }), [0]);
    expect(reasons).toEqual([
      undefined,
      '"move" is one of refine, fanout, select, stop',
      undefined,
      '"tasks" is a list of 1 to 8 tasks',
    ]);
    const failure = await loop(dynamic({ planner: () => null }), []).catch((error: unknown) => error);
    expect(SkeinError.is(failure) && failure.code).toBe("plan_invalid");
  });
});
