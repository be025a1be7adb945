import { describe, expect, it } from "vitest";
import { FencedError, SkeinError, StoreError } from "../errors.ts";
import type { EventBody, StoredEvent } from "../event/event.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import type { SessionWriter } from "../store/session-store.ts";
import type { ScriptedCall, ScriptedSandboxOptions, ScriptedTurn } from "../testing/scripted-sandbox.ts";
import { createScriptedSandbox } from "../testing/scripted-sandbox.ts";
import { fanout } from "./drivers/fanout.ts";
import { randomK } from "./drivers/random-k.ts";
import { refine } from "./drivers/refine.ts";
import type { Driver, LoopResult, Plan, RunLoopOptions, Verdict } from "./loop-types.ts";
import { runLoop } from "./run-loop.ts";

type Options = RunLoopOptions<string, string, string>;

const textOf = (events: readonly StoredEvent[]): string =>
  events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");

function optionsWith(sandboxClient: Options["sandboxClient"], more: Partial<Options>): Options {
  return {
    task: "task",
    driver: refine() as Options["driver"],
    agentRun: { profile: { name: "scripted" }, taskToPrompt: (task) => task },
    output: { parse: textOf },
    sandboxClient,
    ...more,
  };
}

function loop(sandboxClient: Options["sandboxClient"], more: Partial<Options>): Promise<LoopResult<string, string, string>> {
  return runLoop(optionsWith(sandboxClient, more));
}

/** An agent that answers with a number: how often it was asked in its conversation, and in which box. */
const counting: ScriptedSandboxOptions["agent"] = ({ memory, boxNumber }) => [
  { type: "text.delta", text: `${memory.prompts.length}@${boxNumber}` },
];

const scoreOf = (scores: readonly number[], validFrom = 1): NonNullable<Options["validator"]> => ({
  validate: (_output, { iteration }): Verdict => ({ valid: (scores[iteration] ?? 0) >= validFrom, score: scores[iteration] ?? 0 }),
});

/** A driver that plans what a list says, round by round. */
function scripted(plans: readonly Plan<string>[], more: Partial<Driver<string, string, string>> = {}): Driver<string, string, string> {
  let round = 0;
  return { name: "scripted", plan: () => (round < plans.length ? (plans[round++] as Plan<string>) : []), decide: () => (round >= plans.length ? "done" : "next"), ...more };
}

const methods = (calls: readonly ScriptedCall[]): string[] => calls.map(({ method }) => method);

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => "no error",
    (error: unknown) => (SkeinError.is(error) ? error.code : error),
  );
}

async function collect(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe("runLoop", () => {
  it("refines until an output is valid, and records every step", async () => {
    const client = createScriptedSandbox({ agent: counting });
    const store = await openMemoryStore();
    const result = await loop(client, { store, sessionId: "l", validator: scoreOf([0.2, 0.5, 1]) });
    expect(result).toMatchObject({ status: "completed", reason: "done", winner: { iterationIndex: 2, output: "1@3" } });
    const events = await collect(store.read("l"));
    expect(events.map(({ type }) => type).join(" ")).toMatch(
      /^run\.started loop\.started (round\.planned box\.created iteration\.started verdict\.given iteration\.ended box\.deleted decision\.made ){3}custom final$/,
    );
    expect(await store.list({ parentId: "l" })).toHaveLength(3);
    expect(result.iterations[0]?.events).toEqual(await collect(store.read("l.0")));
  });

  it("K1: off means off: fresh boxes without a conversation, deleted when the iteration ends, and no probe", async () => {
    for (const lineage of [undefined, {}, { sessionContinuity: false, forkFanout: false as const }]) {
      const client = createScriptedSandbox({ agent: counting, modes: ["memory"] });
      await loop(client, { driver: randomK(2) as Options["driver"], maxConcurrency: 1, ...(lineage === undefined ? {} : { lineage }) });
      expect(methods(client.calls)).toEqual(["create", "streamPrompt", "delete", "create", "streamPrompt", "delete"]);
      expect(client.calls.every(({ method, sessionId }) => method !== "streamPrompt" || sessionId === undefined)).toBe(true);
    }
  });

  it("K1: with onWorkerBox each box lives until the loop ends", async () => {
    const client = createScriptedSandbox();
    const handed: (number | undefined)[] = [];
    await loop(client, {
      driver: randomK(3) as Options["driver"],
      onWorkerBox: (box) => handed.push(box === undefined ? undefined : client.alive.size),
    });
    expect(handed).toEqual([3, 3, 3, undefined]);
    expect(client.alive.size).toBe(0);
  });

  it("K2: never more than maxConcurrency tasks hold a box", async () => {
    let open = 0;
    let peak = 0;
    const client = createScriptedSandbox({
      async before({ method }) {
        if (method === "create") peak = Math.max(peak, ++open);
        if (method === "delete") open--;
        await new Promise((resolve) => setImmediate(resolve));
      },
    });
    await loop(client, { driver: fanout({ k: 9 }) as Options["driver"], maxConcurrency: 3, validator: scoreOf([]) });
    expect(peak).toBe(3);
    expect(client.peak).toBe(3);
  });

  it("K3: an abort in any place deletes every box, stores one final and rejects with an AbortError", async () => {
    for (const place of ["plan", "create", "streamPrompt", "validate", "decide", "delete", "checkpoint", "fork", "status"]) {
      const controller = new AbortController();
      const at = (here: string): void => void (here === place && controller.abort());
      const client = createScriptedSandbox({ agent: counting, modes: ["files"], before: ({ method }) => at(method) });
      const store = await openMemoryStore();
      const driver = scripted([["a"], ["b"], ["c", "d", "e"], ["f"]]);
      const work = loop(client, {
        store,
        sessionId: "l",
        lineage: place === "delete" ? {} : { sessionContinuity: true, forkFanout: true },
        driver: {
          ...driver,
          plan: (...args) => (at("plan"), driver.plan(...args)),
          decide: (...args) => (at("decide"), driver.decide(...args)),
        },
        validator: { validate: () => (at("validate"), { valid: false, score: 0 }) },
        signal: controller.signal,
      });
      await expect(work, place).rejects.toMatchObject({ name: "AbortError" });
      expect([...client.alive], place).toEqual([]);
      for (const session of await store.list()) {
        const finals = (await collect(store.read(session.id))).filter(({ type }) => type === "final");
        expect(finals, `${place} ${session.id}`).toHaveLength(1);
      }
      const events = await collect(store.read("l"));
      expect(events.at(-1), place).toMatchObject({ type: "final", status: "aborted" });
      const count = (type: string): number => events.filter((event) => event.type === type).length;
      expect(count("iteration.ended"), place).toBe(count("iteration.started"));
      expect(count("box.deleted"), place).toBe(count("box.created") + count("box.forked"));
    }
  });

  it("K3: a box that arrives after the abort is deleted", async () => {
    const controller = new AbortController();
    let arrive = (): void => {};
    const client = createScriptedSandbox();
    const late = {
      create: async (options: Parameters<typeof client.create>[0]) => {
        const { signal: _ignored, ...rest } = options;
        await new Promise<void>((resolve) => {
          arrive = resolve;
          controller.abort();
        });
        return client.create(rest);
      },
    };
    const work = loop(late, { signal: controller.signal });
    const rejected = expect(work).rejects.toMatchObject({ name: "AbortError" });
    await new Promise((resolve) => setImmediate(resolve));
    arrive();
    await rejected;
    expect(methods(client.calls)).toEqual(["create", "delete"]);
  });

  it("K4: what an agent, an output adapter or a validator throws is recorded on its iteration, whatever its class", async () => {
    const thrown = new StoreError("store_failed", "thrown by the agent");
    const agent = ({ boxNumber }: ScriptedTurn): EventBody[] => {
      if (boxNumber === 1) throw thrown;
      return [{ type: "text.delta", text: `${boxNumber}` }];
    };
    const result = await loop(createScriptedSandbox({ agent }), {
      driver: fanout({ k: 4 }) as Options["driver"],
      maxConcurrency: 1,
      output: {
        parse(events) {
          if (textOf(events) === "2") throw new TypeError("cannot be parsed");
          return textOf(events);
        },
      },
      validator: {
        validate(output) {
          if (output === "3") throw new Error("the judge is ill");
          return { valid: true, score: 1 };
        },
      },
    });
    expect(result.status).toBe("completed");
    expect(result.iterations.map(({ error }) => error?.code)).toEqual(["store_failed", "output_failed", "validator_failed", undefined]);
    expect(result.iterations.map(({ error }) => error?.message)).toEqual(["thrown by the agent", "cannot be parsed", "the judge is ill", undefined]);
    expect(result.winner?.iterationIndex).toBe(3);
  });

  it("K4: a box that cannot be created is one failed iteration", async () => {
    let made = 0;
    const client = createScriptedSandbox({
      before({ method }) {
        if (method === "create" && ++made === 1) throw new SkeinError("box_create_failed", "no room");
      },
    });
    const result = await loop(client, { driver: fanout({ k: 2 }) as Options["driver"], maxConcurrency: 1 });
    expect(result.iterations.map(({ error }) => error?.code)).toEqual(["box_create_failed", undefined]);
  });

  it("K4: a driver that throws ends the loop with its error; everything is recorded and the boxes are gone", async () => {
    const client = createScriptedSandbox();
    const store = await openMemoryStore();
    const driver: Options["driver"] = { plan: (task) => [task], decide: () => Promise.reject(new RangeError("no idea")) };
    await expect(loop(client, { store, sessionId: "l", driver, lineage: { sessionContinuity: true } })).rejects.toThrow("no idea");
    expect(client.alive.size).toBe(0);
    expect((await collect(store.read("l"))).at(-1)).toMatchObject({ type: "final", status: "failed", error: { message: "no idea" } });
  });

  it("L5: a loop whose session was taken over stops, and leaves its boxes to the new owner", async () => {
    const store = await openMemoryStore();
    const client = createScriptedSandbox();
    let other: SessionWriter | undefined;
    const driver: Options["driver"] = {
      plan: (task) => [task],
      async decide() {
        other ??= await store.openWriter("l");
        return "next";
      },
    };
    await expect(loop(client, { store, sessionId: "l", driver, lineage: { sessionContinuity: true } })).rejects.toBeInstanceOf(FencedError);
    expect([...client.alive]).toEqual(["box-1"]);
    expect((await collect(store.read("l"))).at(-1)).toMatchObject({ type: "final", status: "interrupted" });
    await other?.close();
  });

  it("K5: with sessionContinuity a lone task continues its parent's box and conversation, after the box has confirmed it", async () => {
    const client = createScriptedSandbox({ agent: counting });
    const result = await loop(client, { lineage: { sessionContinuity: true }, validator: scoreOf([0, 0.5, 1]) });
    expect(result.iterations.map(({ output }) => output)).toEqual(["1@1", "2@1", "3@1"]);
    expect(result.iterations.map(({ parentIndex }) => parentIndex)).toEqual([undefined, 0, 1]);
    expect(methods(client.calls)).toEqual(["create", "streamPrompt", "status", "streamPrompt", "status", "streamPrompt", "delete"]);
    expect(new Set(client.calls.filter(({ sessionId }) => sessionId !== undefined).map(({ sessionId }) => sessionId)).size).toBe(1);
  });

  it("K5: a conversation that is gone fails the loop, a status that throws fails it, a box without session is recorded as unproven", async () => {
    const base = createScriptedSandbox({ agent: counting });
    const withSession = (session: unknown): Options["sandboxClient"] => ({
      create: async (options) => {
        const box = await base.create(options);
        const get = (target: typeof box, key: string | symbol): unknown => {
          const value: unknown = key === "session" ? session : Reflect.get(target, key);
          return typeof value === "function" ? value.bind(target) : value;
        };
        return new Proxy(box, { get });
      },
    });
    const run = (session: unknown, store = undefined as Options["store"]): Promise<unknown> =>
      loop(withSession(session), { lineage: { sessionContinuity: true }, validator: scoreOf([0, 1]), ...(store === undefined ? {} : { store, sessionId: "l" }) });
    expect(await codeOf(run(() => ({ status: async () => null })))).toBe("conversation_gone");
    await expect(run(() => ({ status: () => Promise.reject(new Error("socket closed")) }))).rejects.toThrow("socket closed");
    const store = await openMemoryStore();
    await run(undefined, store);
    const continued = (await collect(store.read("l"))).find(({ type }) => type === "box.continued");
    expect(continued).toMatchObject({ reason: expect.stringContaining("unproven") as string });
    expect(base.alive.size).toBe(0);
  });

  it("K6: forkFanout forks the parent's live box, checkpointed once, and records the way", async () => {
    const client = createScriptedSandbox({ agent: counting, modes: ["memory", "files"] });
    const store = await openMemoryStore();
    const result = await loop(client, {
      store,
      sessionId: "l",
      driver: fanout({ k: 3, prepare: true }) as Options["driver"],
      lineage: { forkFanout: true },
      validator: scoreOf([]),
    });
    expect(result.iterations.map(({ output }) => output)).toEqual(["1@1", "2@2", "2@3", "2@4"]);
    expect(client.calls.filter(({ method }) => method === "checkpoint")).toHaveLength(1);
    expect(client.calls.filter(({ method }) => method === "forkStatus")).toHaveLength(1);
    const forked = (await collect(store.read("l"))).filter(({ type }) => type === "box.forked");
    expect(forked).toMatchObject([1, 2, 3].map((index) => ({ mode: "memory", from: "box-1", index })));
    expect(client.alive.size).toBe(0);
  });

  it("K6: degrades from memory to files to fresh boxes, and says why", async () => {
    const cases: { before?: ScriptedSandboxOptions["before"]; modes?: readonly ("memory" | "files")[]; only?: "memory"; mode: string; reason?: RegExp }[] = [
      { mode: "fresh", reason: /no probe/ },
      { modes: [], mode: "fresh", reason: /scripted to say no/ },
      { modes: ["files"], mode: "files" },
      { modes: ["files"], only: "memory", mode: "fresh", reason: /cannot fork memory/ },
      {
        modes: ["memory", "files"],
        before: ({ method, detail }) => {
          if (method === "checkpoint" && (detail as { mode: string }).mode === "memory") throw new Error("dump failed");
        },
        mode: "files",
      },
      {
        modes: ["memory", "files"],
        before: ({ method }) => {
          if (method === "checkpoint") throw new Error("disk full");
        },
        mode: "fresh",
        reason: /memory: disk full; files: disk full/,
      },
      {
        modes: ["memory"],
        before: ({ method }) => {
          if (method === "forkStatus") throw new Error("no answer");
        },
        mode: "fresh",
        reason: /the probe threw: no answer/,
      },
    ];
    for (const { before, modes, only, mode, reason } of cases) {
      const client = createScriptedSandbox({ agent: counting, ...(before === undefined ? {} : { before }), ...(modes === undefined ? {} : { modes }) });
      const store = await openMemoryStore();
      const result = await loop(client, {
        store,
        sessionId: "l",
        driver: fanout({ k: 2, prepare: true }) as Options["driver"],
        lineage: { forkFanout: only ?? true },
        validator: scoreOf([]),
      });
      expect(result.iterations).toHaveLength(3);
      const forked = (await collect(store.read("l"))).filter((event) => event.type === "box.forked");
      expect(forked.map((event) => event.mode)).toEqual([mode, mode]);
      if (reason !== undefined) expect(forked[0]?.reason).toMatch(reason);
      expect(client.alive.size).toBe(0);
    }
  });

  it("K6: a fork that throws is one failed branch, a lying probe is an error", async () => {
    let forks = 0;
    const client = createScriptedSandbox({
      modes: ["memory"],
      before({ method }) {
        if (method === "fork" && ++forks === 2) throw new Error("no pids left");
      },
    });
    const driver = fanout({ k: 3, prepare: true }) as Options["driver"];
    const result = await loop(client, { driver, lineage: { forkFanout: true }, validator: scoreOf([]), maxConcurrency: 1 });
    expect(result.iterations.map(({ error }) => error?.code)).toEqual([undefined, undefined, "fork_failed", undefined]);
    const liar = createScriptedSandbox();
    const lying = { create: (options: Parameters<typeof liar.create>[0]) => liar.create(options), forkStatus: async () => ({ available: true }) };
    expect(await codeOf(loop(lying, { driver, lineage: { forkFanout: true }, validator: scoreOf([]) }))).toBe("fork_unsupported");
    expect(liar.alive.size).toBe(0);
  });

  it("K7: descends from the best valid iteration, else from the latest", async () => {
    const client = createScriptedSandbox({ agent: counting, modes: ["memory"] });
    const plans = [["a", "b", "c"], ["d", "e"], ["f", "g"]];
    const run = (scores: readonly number[], validFrom?: number): Promise<LoopResult<string, string, string>> =>
      loop(client, { driver: scripted(plans), lineage: { forkFanout: true }, validator: scoreOf(scores, validFrom) });
    const best = await run([0.1, 0.9, 0.5, 0.2, 0.3, 0, 0], 0.05);
    expect(best.iterations.map(({ parentIndex }) => parentIndex)).toEqual([undefined, undefined, undefined, 1, 1, 1, 1]);
    const latest = await run([0, 0, 0, 0, 0, 0, 0]);
    expect(latest.iterations.map(({ parentIndex }) => parentIndex)).toEqual([undefined, undefined, undefined, 2, 2, 4, 4]);
  });

  it("K7: an iteration whose box went on since is passed over by default, and gone when a driver names it", async () => {
    const make = (): ReturnType<typeof createScriptedSandbox> => createScriptedSandbox({ agent: counting, modes: ["memory"] });
    const lineage = { sessionContinuity: true };
    const passed = await loop(make(), { driver: scripted([["a"], ["b"], ["c"]]), lineage, validator: scoreOf([0.9, 0.1, 0.1], 0.5) });
    expect(passed.iterations.map(({ parentIndex }) => parentIndex)).toEqual([undefined, 0, 1]);
    const named = scripted([["a"], { tasks: ["b"], parentIndex: 0 }, { tasks: ["c"], parentIndex: 0 }]);
    expect(await codeOf(loop(make(), { driver: named, lineage }))).toBe("parent_gone");
    const unknown = scripted([["a"], { tasks: ["b"], parentIndex: 7 }]);
    expect(await codeOf(loop(make(), { driver: unknown, lineage }))).toBe("plan_invalid");
  });

  it("K8: deletes after each round what no later round can descend from", async () => {
    const client = createScriptedSandbox({ agent: counting, modes: ["memory"] });
    const alive: number[] = [];
    const driver = scripted([["a", "b", "c"], ["d", "e"], ["f"]]);
    await loop(client, {
      driver: { ...driver, plan: (...args) => (alive.push(client.alive.size), driver.plan(...args)) },
      lineage: { forkFanout: true, sessionContinuity: true },
      validator: scoreOf([]),
    });
    expect(alive).toEqual([0, 1, 1]);
    expect(client.alive.size).toBe(0);
  });

  it("K8: a driver that names parents keeps all boxes, or those that its plan says", async () => {
    const run = async (keep: readonly number[] | undefined): Promise<number[]> => {
      const client = createScriptedSandbox({ agent: counting, modes: ["memory"] });
      const alive: number[] = [];
      const more = keep === undefined ? {} : { keep };
      const driver = scripted([["a", "b", "c"], { tasks: ["d", "e"], parentIndex: [0, 1], ...more }, { tasks: ["f"], parentIndex: 0 }], { namesParents: true });
      await loop(client, {
        driver: { ...driver, plan: (...args) => (alive.push(client.alive.size), driver.plan(...args)) },
        lineage: { forkFanout: true },
        validator: scoreOf([]),
      });
      expect(client.alive.size).toBe(0);
      return alive;
    };
    expect(await run(undefined)).toEqual([0, 3, 5]);
    expect(await run([0])).toEqual([0, 3, 3]);
  });

  it("K8: a box that cannot be deleted is recorded and never thrown", async () => {
    const client = createScriptedSandbox({
      before({ method }) {
        if (method === "delete") throw new Error("device busy");
      },
    });
    const store = await openMemoryStore();
    expect((await loop(client, { store, sessionId: "l" })).status).toBe("completed");
    const failed = (await collect(store.read("l"))).find(({ type }) => type === "box.delete-failed");
    expect(failed).toMatchObject({ error: { message: "device busy" } });
  });

  it("K8: refuses a lineage flag together with onWorkerBox, and together with an independent driver", async () => {
    const client = createScriptedSandbox();
    expect(await codeOf(loop(client, { lineage: { sessionContinuity: true }, onWorkerBox: () => {} }))).toBe("invalid_option");
    expect(await codeOf(loop(client, { lineage: { forkFanout: true }, driver: randomK(2) as Options["driver"] }))).toBe("invalid_option");
    expect(client.calls).toEqual([]);
  });

  it("K9: the winner scores highest among the valid, else among all; ties go to the earliest", async () => {
    const run = async (scores: readonly number[], validFrom: number): Promise<unknown> => {
      const result = await loop(createScriptedSandbox(), {
        driver: randomK(scores.length) as Options["driver"],
        validator: { validate: (_output, { iteration }) => ({ valid: iteration >= validFrom, score: scores[iteration] ?? 0 }) },
      });
      return [result.winner?.iterationIndex, result.status, result.reason];
    };
    expect(await run([9, 1, 3, 3], 1)).toEqual([2, "completed", "pick-winner"]);
    expect(await run([1, 5, 5], 99)).toEqual([1, "failed", "no_valid_output"]);
    expect(await run([-3, -2], 0)).toEqual([1, "completed", "pick-winner"]);
  });

  it("K11: a round larger than what is left is cut, and recorded; the limits of the budget stop new iterations", async () => {
    const store = await openMemoryStore();
    const driver = scripted([["a", "b"], ["c", "d", "e"], ["f"]]);
    const result = await loop(createScriptedSandbox(), { store, sessionId: "l", driver, maxIterations: 3 });
    expect(result.iterations.map(({ task }) => task)).toEqual(["a", "b", "c"]);
    expect(result.reason).toBe("max_iterations");
    const planned = (await collect(store.read("l"))).filter((event) => event.type === "round.planned");
    expect(planned.map((event) => event.cut)).toEqual([undefined, 2]);
    const priced = createScriptedSandbox({ agent: () => [{ type: "usage.reported", costUsd: 0.5, inputTokens: 1 }] });
    const spent = await loop(priced, { driver: fanout({ k: 9 }) as Options["driver"], maxConcurrency: 1, budget: { maxCostUsd: 1 } });
    expect(spent).toMatchObject({ reason: "pick-winner", usage: { costUsd: 1, inputTokens: 2 } });
    expect(spent.iterations).toHaveLength(2);
    expect(await codeOf(loop(createScriptedSandbox(), { budget: { maxTokens: 5 } }))).toBe("budget_unmeasured");
  });

  it("aborts the other iterations of a round that ends with its first valid one", async () => {
    const agent = async function* ({ boxNumber, signal }: ScriptedTurn): AsyncGenerator<EventBody> {
      yield { type: "text.delta", text: `${boxNumber}` };
      if (boxNumber !== 2) await new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(new Error("cancelled"))));
    };
    const driver = scripted([{ tasks: ["a", "b", "c"], endWhen: "first-valid" }]);
    const result = await loop(createScriptedSandbox({ agent }), { driver, validator: { validate: () => ({ valid: true, score: 1 }) } });
    expect(result).toMatchObject({ status: "completed", winner: { iterationIndex: 1 } });
    expect(result.iterations.filter(({ verdict }) => verdict !== undefined)).toHaveLength(1);
  });

  it("deals several agent runs round-robin, each under its name", async () => {
    const spec = (name: string): NonNullable<Options["agentRun"]> => ({ name, profile: { name: "p" }, taskToPrompt: (task) => `${name}: ${task}` });
    const { agentRun: _one, ...options } = optionsWith(createScriptedSandbox(), { driver: randomK(3) as Options["driver"] });
    const result = await runLoop({ ...options, agentRuns: [spec("a"), spec("b")] });
    expect(result.iterations.map(({ agentRunName, output }) => [agentRunName, output])).toEqual([
      ["a", "a: task"],
      ["b", "b: task"],
      ["a", "a: task"],
    ]);
  });

  it("refuses options and plans that cannot be", async () => {
    const client = createScriptedSandbox();
    for (const more of [{ maxIterations: 0 }, { maxConcurrency: 1.5 }, { agentRuns: [] }, { budget: { maxTokens: -1 } }, { lineage: { forkFanout: "yes" as never } }]) {
      expect(await codeOf(loop(client, more))).toBe("invalid_option");
    }
    for (const plan of [null, { tasks: "x" }, { tasks: ["a"], parentIndex: [0, 0] }, { tasks: ["a"], endWhen: "soon" }]) {
      expect(await codeOf(loop(client, { driver: scripted([plan as never]) }))).toBe("plan_invalid");
    }
    expect(() => randomK(0)).toThrow("k is a whole number of at least 1, not 0.");
    expect(client.calls).toEqual([]);
  });
});
