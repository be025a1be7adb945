import { describe, expect, it } from "vitest";
import { SkeinError, StoreError } from "../errors.ts";
import type { EventBody } from "../event/event.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import type { ScriptedTurn } from "../testing/scripted-sandbox.ts";
import { createScriptedSandbox } from "../testing/scripted-sandbox.ts";
import { fanout } from "./drivers/fanout.ts";
import { randomK } from "./drivers/random-k.ts";
import { runLoop } from "./run-loop.ts";
import type { Options } from "./run-loop.test.support.ts";
import {
  codeOf,
  collect,
  counting,
  loop,
  methods,
  optionsWith,
  scoreOf,
  scripted,
  textOf,
} from "./run-loop.test.support.ts";

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
      await loop(client, {
        driver: randomK(2) as Options["driver"],
        maxConcurrency: 1,
        ...(lineage === undefined ? {} : { lineage }),
      });
      expect(methods(client.calls)).toEqual(["create", "streamPrompt", "delete", "create", "streamPrompt", "delete"]);
      expect(client.calls.every(({ method, sessionId }) => method !== "streamPrompt" || sessionId === undefined)).toBe(
        true,
      );
    }
  });

  it("K1: with the flags off a client gets the same calls as without them, argument for argument, and none besides", async () => {
    const agentRun = {
      profile: { name: "recorded" },
      taskToPrompt: (task: string) => `do ${task}`,
      box: { image: "node", labels: { team: "a" }, limits: { pids: 64 } },
    };
    for (const lineage of [undefined, {}, { sessionContinuity: false, forkFanout: false as const }]) {
      const calls: unknown[][] = [];
      const note =
        (method: string) =>
        (...given: unknown[]): Promise<never> => {
          calls.push([method, ...given]);
          return Promise.reject(new Error(`${method} was not to be called`));
        };
      const client: Options["sandboxClient"] = {
        async create(...given) {
          calls.push(["create", ...given]);
          const id = `box-${calls.length}`;
          return {
            id,
            async *streamPrompt(...prompted) {
              calls.push(["streamPrompt", ...prompted]);
              yield { type: "text.delta", text: id };
            },
            async delete(...told) {
              calls.push(["delete", ...told]);
            },
            session: (conversationId) => ({ status: () => note("status")(conversationId) }),
            checkpoint: note("checkpoint"),
            fork: note("fork"),
          };
        },
        attach: note("attach"),
        list: note("list"),
        criuStatus: note("criuStatus"),
        forkStatus: note("forkStatus"),
        restore: note("restore"),
        listCheckpoints: note("listCheckpoints"),
        deleteCheckpoint: note("deleteCheckpoint"),
      };
      const { runId } = await loop(client, {
        sessionId: "l",
        agentRun,
        driver: scripted([["a"], ["b", "c"]]),
        maxConcurrency: 1,
        ...(lineage === undefined ? {} : { lineage }),
      });
      const signal = expect.any(AbortSignal) as AbortSignal;
      const turnId = expect.stringMatching(/^turn_/) as string;
      expect(calls).toStrictEqual(
        ["a", "b", "c"].flatMap((task, index) => {
          const labels = { team: "a", "skein.session": "l", "skein.run": runId, "skein.iteration": `${index}` };
          return [
            ["create", { ...agentRun.box, profile: agentRun.profile, labels, signal }],
            ["streamPrompt", `do ${task}`, { turnId, signal }],
            ["delete"],
          ];
        }),
      );
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
    expect(result.iterations.map(({ error }) => error?.code)).toEqual([
      "store_failed",
      "output_failed",
      "validator_failed",
      undefined,
    ]);
    expect(result.iterations.map(({ error }) => error?.message)).toEqual([
      "thrown by the agent",
      "cannot be parsed",
      "the judge is ill",
      undefined,
    ]);
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
    const driver: Options["driver"] = {
      plan: (task) => [task],
      decide: () => Promise.reject(new RangeError("no idea")),
    };
    await expect(loop(client, { store, sessionId: "l", driver, lineage: { sessionContinuity: true } })).rejects.toThrow(
      "no idea",
    );
    expect(client.alive.size).toBe(0);
    expect((await collect(store.read("l"))).at(-1)).toMatchObject({
      type: "final",
      status: "failed",
      error: { message: "no idea" },
    });
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
    const spent = await loop(priced, {
      driver: fanout({ k: 9 }) as Options["driver"],
      maxConcurrency: 1,
      budget: { maxCostUsd: 1 },
    });
    expect(spent).toMatchObject({ reason: "pick-winner", usage: { costUsd: 1, inputTokens: 2 } });
    expect(spent.iterations).toHaveLength(2);
    expect(await codeOf(loop(createScriptedSandbox(), { budget: { maxTokens: 5 } }))).toBe("budget_unmeasured");
  });

  it("aborts the other iterations of a round that ends with its first valid one", async () => {
    const agent = async function* ({ boxNumber, signal }: ScriptedTurn): AsyncGenerator<EventBody> {
      yield { type: "text.delta", text: `${boxNumber}` };
      if (boxNumber !== 2)
        await new Promise((_resolve, reject) =>
          signal?.addEventListener("abort", () => reject(new Error("cancelled"))),
        );
    };
    const driver = scripted([{ tasks: ["a", "b", "c"], endWhen: "first-valid" }]);
    const result = await loop(createScriptedSandbox({ agent }), {
      driver,
      validator: { validate: () => ({ valid: true, score: 1 }) },
    });
    expect(result).toMatchObject({ status: "completed", winner: { iterationIndex: 1 } });
    expect(result.iterations.filter(({ verdict }) => verdict !== undefined)).toHaveLength(1);
  });

  it("deals several agent runs round-robin, each under its name", async () => {
    const spec = (name: string): NonNullable<Options["agentRun"]> => ({
      name,
      profile: { name: "p" },
      taskToPrompt: (task) => `${name}: ${task}`,
    });
    const { agentRun: _one, ...options } = optionsWith(createScriptedSandbox(), {
      driver: randomK(3) as Options["driver"],
    });
    const result = await runLoop({ ...options, agentRuns: [spec("a"), spec("b")] });
    expect(result.iterations.map(({ agentRunName, output }) => [agentRunName, output])).toEqual([
      ["a", "a: task"],
      ["b", "b: task"],
      ["a", "a: task"],
    ]);
  });

  it("refuses options and plans that cannot be", async () => {
    const client = createScriptedSandbox();
    for (const more of [
      { maxIterations: 0 },
      { maxConcurrency: 1.5 },
      { agentRuns: [] },
      { budget: { maxTokens: -1 } },
      { lineage: { forkFanout: "yes" as never } },
    ]) {
      expect(await codeOf(loop(client, more))).toBe("invalid_option");
    }
    for (const plan of [
      null,
      { tasks: "x" },
      { tasks: ["a"], parentIndex: [0, 0] },
      { tasks: ["a"], endWhen: "soon" },
    ]) {
      expect(await codeOf(loop(client, { driver: scripted([plan as never]) }))).toBe("plan_invalid");
    }
    expect(() => randomK(0)).toThrow("k is a whole number of at least 1, not 0.");
    expect(client.calls).toEqual([]);
  });
});
