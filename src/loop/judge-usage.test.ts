import { expect, it } from "vitest";
import type { StoredEvent } from "../event/event.ts";
import type { SandboxClient } from "../sandbox/sandbox.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import type { RunLoopOptions, ValidatorContext } from "./loop-types.ts";
import { runLoop } from "./run-loop.ts";

const sandboxClient: SandboxClient = {
  async create() {
    return {
      id: "box",
      async *streamPrompt() {
        yield { type: "usage.reported", inputTokens: 10 };
      },
      async delete() {},
    };
  },
};

type Report = NonNullable<ValidatorContext["reportUsage"]>;

async function runJudged(judge: (report: Report) => void, more: Partial<RunLoopOptions<string, number, string>> = {}) {
  const events: StoredEvent[] = [];
  const result = await runLoop<string, number, string>({
    task: "step",
    driver: { plan: (task) => [task], decide: (history) => (history.length < 4 ? "go on" : "done") },
    agentRun: { profile: { name: "echo" }, taskToPrompt: (task) => task },
    output: { parse: (all) => all.length },
    validator: {
      validate(_output, { reportUsage }) {
        judge(reportUsage as Report);
        return { valid: true, score: 1 };
      },
    },
    sandboxClient,
    store: await openMemoryStore(),
    onEvent: (event) => events.push(event),
    ...more,
  });
  return { result, events };
}

it("K11: what a validator reports counts for the loop's usage and budget, not for the iteration's", async () => {
  const { result } = await runJudged((report) => report({ model: "judge", inputTokens: 5, costUsd: 1 }));
  expect(result.usage).toEqual({ inputTokens: 60, costUsd: 4 });
  expect(result.iterations.map(({ usage }) => usage)).toEqual(Array.from({ length: 4 }, () => ({ inputTokens: 10 })));
  const bounded = await runJudged((report) => report({ inputTokens: 5 }), { budget: { maxTokens: 30 } });
  expect(bounded.result.reason).toBe("budget_exhausted");
  expect(bounded.result.iterations).toHaveLength(2);
});

it("K4: a validator that reports what is no usage has failed, and nothing of it is recorded", async () => {
  const { result, events } = await runJudged((report) => report({ inputTokens: Number.NaN }));
  expect(result.iterations.map(({ error }) => error?.code)).toEqual(
    Array.from({ length: 4 }, () => "validator_failed"),
  );
  expect(result.usage).toEqual({ inputTokens: 40 });
  expect(events.filter(({ type, sessionId }) => type === "usage.reported" && sessionId === result.sessionId)).toEqual(
    [],
  );
});

it("L2: what a validator reports after it was left behind comes after no final", async () => {
  const controller = new AbortController();
  const store = await openMemoryStore();
  let late: Report | undefined;
  const running = runJudged(() => {}, {
    store,
    sessionId: "loop",
    signal: controller.signal,
    validator: {
      validate: (_output, { reportUsage }) => {
        late = reportUsage;
        controller.abort();
        return new Promise(() => {});
      },
    },
  });
  await expect(running).rejects.toMatchObject({ name: "AbortError" });
  late?.({ inputTokens: 1 });
  const types: string[] = [];
  for await (const { type } of store.read("loop")) types.push(type);
  expect(types.at(-1)).toBe("final");
  expect(types).not.toContain("usage.reported");
});
