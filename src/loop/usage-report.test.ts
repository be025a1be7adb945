import { expect, it } from "vitest";
import type { StoredEvent } from "../event/event.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import { createScriptedSandbox } from "../testing/scripted-sandbox.ts";
import { fanout } from "./drivers/fanout.ts";
import { refine } from "./drivers/refine.ts";
import { runLoop } from "./run-loop.ts";
import { reportUsage } from "./usage-report.ts";

const common = {
  task: "task",
  agentRun: { profile: { name: "scripted" }, taskToPrompt: (task: string) => task },
  output: { parse: (events: readonly StoredEvent[]) => events.length },
};

it("K11: adds usage up by iteration, branch and model, losers included; the unknown stays unknown", async () => {
  const store = await openMemoryStore();
  const result = await runLoop({
    ...common,
    driver: fanout({ k: 2, prepare: true }),
    validator: { validate: () => ({ valid: false, score: 0 }) },
    sandboxClient: createScriptedSandbox({
      modes: ["memory"],
      agent: ({ boxNumber }) => [
        { type: "usage.reported", model: "small", inputTokens: boxNumber },
        { type: "usage.reported", model: boxNumber === 3 ? "large" : "small", outputTokens: 10 },
      ],
    }),
    lineage: { forkFanout: true },
    store,
    sessionId: "l",
    maxConcurrency: 1,
  });
  expect(reportUsage(result.iterations)).toEqual({
    total: { inputTokens: 6, outputTokens: 30 },
    byIteration: [1, 2, 3].map((inputTokens) => ({ inputTokens, outputTokens: 10 })),
    byBranch: [
      { inputTokens: 1, outputTokens: 10 },
      { inputTokens: 3, outputTokens: 20 },
      { inputTokens: 4, outputTokens: 20 },
    ],
    byModel: { small: { inputTokens: 6, outputTokens: 20 }, large: { outputTokens: 10 } },
  });
  expect(result.usage).toEqual({ inputTokens: 6, outputTokens: 30 });
  const finals: unknown[] = [];
  for await (const event of store.read("l")) if (event.type === "final") finals.push(event.usage);
  expect(finals).toEqual([result.usage]);
});

it("K11: budgets survive a resume: what earlier runs spent counts", async () => {
  const store = await openMemoryStore();
  const options = {
    ...common,
    driver: refine({ patience: 9 }),
    validator: { validate: () => ({ valid: false, score: 0 }) },
    sandboxClient: createScriptedSandbox({ agent: () => [{ type: "usage.reported", costUsd: 0.4 }] }),
    store,
    sessionId: "l",
  };
  const first = await runLoop({ ...options, budget: { maxCostUsd: 0.7 } });
  expect(first).toMatchObject({ usage: { costUsd: 0.8 } });
  expect(first.iterations).toHaveLength(2);
  const same = await runLoop({ ...options, budget: { maxCostUsd: 0.7 }, resume: true });
  expect(same.iterations).toHaveLength(2);
  const more = await runLoop({ ...options, budget: { maxCostUsd: 1 }, resume: true });
  expect(more).toMatchObject({ reason: "no_valid_output", usage: { costUsd: 1.2000000000000002 } });
  expect(more.iterations).toHaveLength(3);
});

it("K11: what an attempt spent that was cut off with its box counts after a resume", async () => {
  const store = await openMemoryStore();
  const options = {
    ...common,
    driver: refine({ patience: 9 }),
    validator: { validate: () => ({ valid: false, score: 0 }) },
    sandboxClient: createScriptedSandbox({ agent: () => [{ type: "usage.reported", inputTokens: 4 }] }),
    store,
    maxIterations: 1,
  };
  await runLoop({ ...options, sessionId: "l" });
  const events: StoredEvent[] = [];
  for await (const event of store.read("l")) events.push(event);
  // As if the process had died there: the attempt's own log holds what it took, the loop's does not.
  const begun = events.find(({ type }) => type === "iteration.started")?.seq as number;
  const { id } = await store.fork("l", { atSeq: begun });
  expect(await runLoop({ ...options, sessionId: id, resume: true })).toMatchObject({ usage: { inputTokens: 8 } });
});
