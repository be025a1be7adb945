import { describe, expect, it } from "vitest";
import { FencedError } from "../errors.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import type { SessionWriter } from "../store/session-store.ts";
import type { ScriptedSandboxOptions } from "../testing/scripted-sandbox.ts";
import { createScriptedSandbox } from "../testing/scripted-sandbox.ts";
import { fanout } from "./drivers/fanout.ts";
import { randomK } from "./drivers/random-k.ts";
import type { LoopResult } from "./loop-types.ts";
import type { Options } from "./run-loop.test.support.ts";
import { codeOf, collect, counting, loop, methods, scoreOf, scripted } from "./run-loop.test.support.ts";

describe("runLoop and the lineage of its boxes", () => {
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
    await expect(
      loop(client, { store, sessionId: "l", driver, lineage: { sessionContinuity: true } }),
    ).rejects.toBeInstanceOf(FencedError);
    expect([...client.alive]).toEqual(["box-1"]);
    expect((await collect(store.read("l"))).at(-1)).toMatchObject({ type: "final", status: "interrupted" });
    await other?.close();
  });

  it("K5: with sessionContinuity a lone task continues its parent's box and conversation, after the box has confirmed it", async () => {
    const client = createScriptedSandbox({ agent: counting });
    const result = await loop(client, { lineage: { sessionContinuity: true }, validator: scoreOf([0, 0.5, 1]) });
    expect(result.iterations.map(({ output }) => output)).toEqual(["1@1", "2@1", "3@1"]);
    expect(result.iterations.map(({ parentIndex }) => parentIndex)).toEqual([undefined, 0, 1]);
    expect(methods(client.calls)).toEqual([
      "create",
      "streamPrompt",
      "status",
      "streamPrompt",
      "status",
      "streamPrompt",
      "delete",
    ]);
    expect(
      new Set(client.calls.filter(({ sessionId }) => sessionId !== undefined).map(({ sessionId }) => sessionId)).size,
    ).toBe(1);
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
      loop(withSession(session), {
        lineage: { sessionContinuity: true },
        validator: scoreOf([0, 1]),
        ...(store === undefined ? {} : { store, sessionId: "l" }),
      });
    expect(await codeOf(run(() => ({ status: async () => null })))).toBe("conversation_gone");
    await expect(run(() => ({ status: () => Promise.reject(new Error("socket closed")) }))).rejects.toThrow(
      "socket closed",
    );
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
    const cases: {
      before?: ScriptedSandboxOptions["before"];
      modes?: readonly ("memory" | "files")[];
      only?: "memory";
      mode: string;
      reason?: RegExp;
    }[] = [
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
        reason: /^memory: dump failed$/,
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
      const client = createScriptedSandbox({
        agent: counting,
        ...(before === undefined ? {} : { before }),
        ...(modes === undefined ? {} : { modes }),
      });
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
      if (reason === undefined) expect(forked[0]?.reason).toBeUndefined();
      else expect(forked[0]?.reason).toMatch(reason);
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
    const result = await loop(client, {
      driver,
      lineage: { forkFanout: true },
      validator: scoreOf([]),
      maxConcurrency: 1,
    });
    expect(result.iterations.map(({ error }) => error?.code)).toEqual([undefined, undefined, "fork_failed", undefined]);
    const liar = createScriptedSandbox();
    const lying = {
      create: (options: Parameters<typeof liar.create>[0]) => liar.create(options),
      forkStatus: async () => ({ available: true }),
    };
    expect(await codeOf(loop(lying, { driver, lineage: { forkFanout: true }, validator: scoreOf([]) }))).toBe(
      "fork_unsupported",
    );
    expect(liar.alive.size).toBe(0);
  });

  it("K7: descends from the best valid iteration, else from the latest", async () => {
    const client = createScriptedSandbox({ agent: counting, modes: ["memory"] });
    const plans = [
      ["a", "b", "c"],
      ["d", "e"],
      ["f", "g"],
    ];
    const run = (scores: readonly number[], validFrom?: number): Promise<LoopResult<string, string, string>> =>
      loop(client, { driver: scripted(plans), lineage: { forkFanout: true }, validator: scoreOf(scores, validFrom) });
    const best = await run([0.1, 0.9, 0.5, 0.2, 0.3, 0, 0], 0.05);
    expect(best.iterations.map(({ parentIndex }) => parentIndex)).toEqual([
      undefined,
      undefined,
      undefined,
      1,
      1,
      1,
      1,
    ]);
    const latest = await run([0, 0, 0, 0, 0, 0, 0]);
    expect(latest.iterations.map(({ parentIndex }) => parentIndex)).toEqual([
      undefined,
      undefined,
      undefined,
      2,
      2,
      4,
      4,
    ]);
  });

  it("K7: an iteration whose box went on since is passed over by default, and gone when a driver names it", async () => {
    const make = (): ReturnType<typeof createScriptedSandbox> =>
      createScriptedSandbox({ agent: counting, modes: ["memory"] });
    const lineage = { sessionContinuity: true };
    const passed = await loop(make(), {
      driver: scripted([["a"], ["b"], ["c"]]),
      lineage,
      validator: scoreOf([0.9, 0.1, 0.1], 0.5),
    });
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
      const driver = scripted(
        [["a", "b", "c"], { tasks: ["d", "e"], parentIndex: [0, 1], ...more }, { tasks: ["f"], parentIndex: 0 }],
        { namesParents: true },
      );
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
    expect(await codeOf(loop(client, { lineage: { sessionContinuity: true }, onWorkerBox: () => {} }))).toBe(
      "invalid_option",
    );
    expect(await codeOf(loop(client, { lineage: { forkFanout: true }, driver: randomK(2) as Options["driver"] }))).toBe(
      "invalid_option",
    );
    expect(client.calls).toEqual([]);
  });

  it("K9: the winner scores highest among the valid, else among all; ties go to the earliest", async () => {
    const run = async (scores: readonly number[], validFrom: number): Promise<unknown> => {
      const result = await loop(createScriptedSandbox(), {
        driver: randomK(scores.length) as Options["driver"],
        validator: {
          validate: (_output, { iteration }) => ({ valid: iteration >= validFrom, score: scores[iteration] ?? 0 }),
        },
      });
      return [result.winner?.iterationIndex, result.status, result.reason];
    };
    expect(await run([9, 1, 3, 3], 1)).toEqual([2, "completed", "pick-winner"]);
    expect(await run([1, 5, 5], 99)).toEqual([1, "failed", "no_valid_output"]);
    expect(await run([-3, -2], 0)).toEqual([1, "completed", "pick-winner"]);
  });
});
