import { describe, expect, it } from "vitest";
import { SandboxError } from "../errors.ts";
import type { StoredEventOf } from "../event/event.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import type { SessionStore } from "../store/session-store.ts";
import type { ScriptedSandbox, ScriptedSandboxOptions } from "../testing/scripted-sandbox.ts";
import { createScriptedSandbox } from "../testing/scripted-sandbox.ts";
import { fanout } from "./drivers/fanout.ts";
import { forkLoop } from "./fork-loop.ts";
import { runLoop } from "./run-loop.ts";
import type { Options } from "./run-loop.test.support.ts";
import { collect, methods, optionsWith, scoreOf } from "./run-loop.test.support.ts";

/** What the agent says is all that its conversation holds. */
const recalling: NonNullable<ScriptedSandboxOptions["agent"]> = ({ memory }) => [
  { type: "text.delta", text: memory.prompts.join(",") },
];

function machine(name: string, more: ScriptedSandboxOptions = {}): ScriptedSandbox {
  return createScriptedSandbox({
    agent: recalling,
    modes: ["files"],
    attachable: true,
    travels: true,
    idPrefix: name,
    ...more,
  });
}

/** A conversation of four rounds, each of which is told its number. */
const shared: Partial<Options> = {
  sessionId: "loop",
  driver: {
    name: "rounds",
    plan: (_task, history) => (history.length < 4 ? [`round ${history.length}`] : []),
    decide: () => "on",
  },
  validator: scoreOf([0, 0, 0, 1]),
  lineage: { sessionContinuity: true, checkpoints: "every-round", checkpointsTravel: true },
};

/** Leaves a loop behind that has ended two rounds on a machine that nobody can reach any more. */
async function leaveBehind(
  store: SessionStore,
  more: Partial<Options> = {},
  lastRound = 1,
  client = machine("first"),
): Promise<void> {
  const stop = new AbortController();
  const onEvent: Options["onEvent"] = (event) => {
    if (event.type === "decision.made" && event.round === lastRound) stop.abort();
  };
  const options = optionsWith(client, { ...shared, store, onEvent, signal: stop.signal, ...more });
  await expect(runLoop(options)).rejects.toMatchObject({ name: "AbortError" });
}

const eventsOf = async <Type extends "checkpoint.created" | "box.created" | "box.forked" | "custom">(
  store: SessionStore,
  type: Type,
): Promise<StoredEventOf<Type>[]> =>
  (await collect(store.read("loop"))).filter((event): event is StoredEventOf<Type> => event.type === type);

/** A store whose blobs are not what was put there. */
function damage(store: SessionStore, getBlob: SessionStore["getBlob"]): SessionStore {
  return new Proxy(store, {
    get(_target, key) {
      const own: unknown = key === "getBlob" ? getBlob : Reflect.get(store, key, store);
      return typeof own === "function" ? (own as () => unknown).bind(store) : own;
    },
  });
}

describe("a loop that moves to another machine", () => {
  it("K10: goes on from the checkpoint that was put into the store, and ends as it would have without moving", async () => {
    const whole = await runLoop(optionsWith(machine("only"), { ...shared, store: await openMemoryStore() }));
    const store = await openMemoryStore();
    await leaveBehind(store);
    const second = machine("second");
    const result = await runLoop(optionsWith(second, { ...shared, store, resume: true }));
    expect(result.iterations.map(({ output }) => output)).toEqual(whole.iterations.map(({ output }) => output));
    expect(result.iterations[3]?.output).toBe("round 0,round 1,round 2,round 3");
    expect(methods(second.calls)).not.toContain("create");
    // Only the one that the loop goes on from was brought here.
    expect(methods(second.calls).filter((method) => method === "importCheckpoint")).toHaveLength(1);
    const checkpoints = await eventsOf(store, "checkpoint.created");
    expect(checkpoints).toHaveLength(4);
    for (const { stored } of checkpoints) expect(stored?.size).toBeGreaterThan(0);
    const [fetched] = await eventsOf(store, "custom");
    expect(fetched).toMatchObject({
      name: "checkpoint.fetched",
      data: { checkpointId: checkpoints[1]?.checkpointId, index: 1, size: checkpoints[1]?.stored?.size },
    });
    expect((await eventsOf(store, "box.forked"))[0]).toMatchObject({ from: "first-1", mode: "files", index: 2 });
    await store.close();
  });

  it("K10: forks a parent whose box is elsewhere, whose checkpoint is brought here once", async () => {
    const store = await openMemoryStore();
    const more: Partial<Options> = {
      driver: fanout({ k: 3, prepare: true, rounds: 1 }) as Options["driver"],
      lineage: { forkFanout: true, checkpoints: "every-round", checkpointsTravel: true },
    };
    await leaveBehind(store, more, 0);
    const second = machine("second");
    const result = await runLoop(optionsWith(second, { ...shared, ...more, store, resume: true }));
    expect(result.iterations).toHaveLength(4);
    expect(methods(second.calls).filter((method) => method === "importCheckpoint")).toHaveLength(1);
    expect(methods(second.calls)).not.toContain("create");
    expect(second.alive.size).toBe(0);
    await store.close();
  });

  it("K10: goes on from the files where a checkpoint's memory does not travel, but not where a fork must have it", async () => {
    const modes = { modes: ["memory", "files"] } as const;
    for (const [forkFanout, outcome] of [
      [true, { status: "completed" }],
      ["memory", { code: "conversation_gone", message: expect.stringContaining("are its files alone") as string }],
    ] as const) {
      const store = await openMemoryStore();
      const more = { lineage: { ...shared.lineage, forkFanout } };
      await leaveBehind(store, more, 1, machine("first", modes));
      expect((await eventsOf(store, "checkpoint.created"))[1]).toMatchObject({ mode: "memory" });
      const second = machine("second", modes);
      const { importCheckpoint } = second;
      const client = Object.assign(second, {
        importCheckpoint: async (...given: Parameters<NonNullable<typeof importCheckpoint>>) => ({
          checkpointId: "",
          ...(await importCheckpoint?.(...given)),
          mode: "files" as const,
        }),
      });
      const options = optionsWith(client, { ...shared, ...more, store, resume: true });
      expect(await runLoop(options).catch((error: unknown) => error)).toMatchObject(outcome);
      expect((await eventsOf(store, "box.forked")).map(({ mode }) => mode)).toEqual(
        forkFanout === true ? ["files"] : [],
      );
      await store.close();
    }
  });

  it("K10: is forked there", async () => {
    const store = await openMemoryStore();
    await leaveBehind(store);
    const second = machine("second");
    const { sessionId: _own, ...others } = shared;
    const forked = await forkLoop("loop", { ...optionsWith(second, others), store, atRound: 0 });
    expect(forked.iterations[1]?.output).toBe("round 0,round 1");
    // The box is made for what the new loop says, the conversation is the old one's.
    expect(methods(second.calls).filter((method) => method === "restore")).toHaveLength(1);
    await store.close();
  });

  const faults: Record<
    string,
    { code: RegExp; store?: (store: SessionStore) => SessionStore; client?: ScriptedSandbox }
  > = {
    "a piece is missing": {
      code: /The store has no piece sha256:/,
      store: (store) => damage(store, (ref) => store.getBlob({ ...ref, digest: `sha256:${"0".repeat(64)}` })),
    },
    "a piece was changed": {
      code: /The store has other bytes as the piece sha256:/,
      store: (store) => damage(store, async () => Buffer.from("other")),
    },
    "the machine is of another kind": {
      code: /processor was arm64 there and is x64 here/,
      client: machine("second", {
        before: ({ method }) => {
          if (method === "importCheckpoint")
            throw new SandboxError("checkpoint_incompatible", "processor was arm64 there and is x64 here.");
        },
      }),
    },
    "the sandbox takes none in": {
      code: /This sandbox cannot take in the checkpoints of another machine/,
      client: machine("second", { travels: false }),
    },
  };

  for (const [name, fault] of Object.entries(faults)) {
    it(`K10: is refused, or begins afresh where the caller says so, and the log says why: ${name}`, async () => {
      const intact = await openMemoryStore();
      await leaveBehind(intact);
      const store = fault.store?.(intact) ?? intact;
      const client = fault.client ?? machine("second");
      const options = optionsWith(client, { ...shared, store, resume: true });
      await expect(runLoop(options)).rejects.toMatchObject({
        code: "conversation_gone",
        message: expect.stringMatching(fault.code) as string,
      });
      expect(methods(client.calls)).not.toContain("create");
      expect(await runLoop({ ...options, onLostBox: "fresh" })).toMatchObject({ status: "completed" });
      const reasons = (await eventsOf(intact, "box.created")).flatMap(({ reason }) => reason ?? []);
      expect(reasons).toHaveLength(1);
      expect(reasons[0]).toMatch(/^begun afresh: the box of iteration 1 is gone, and its checkpoint/);
      expect(reasons[0]).toMatch(fault.code);
      await intact.close();
    });
  }

  it("ends with the store's failure where the store cannot be read, and begins nothing afresh", async () => {
    const intact = await openMemoryStore();
    await leaveBehind(intact);
    const store = damage(intact, async () => {
      throw new Error("the connection is gone");
    });
    const options = optionsWith(machine("second"), { ...shared, store, resume: true, onLostBox: "fresh" });
    await expect(runLoop(options)).rejects.toThrow("the connection is gone");
    await intact.close();
  });

  it("puts nothing into the store unless it is asked to, and says where a sandbox cannot", async () => {
    const store = await openMemoryStore();
    await runLoop(
      optionsWith(machine("a"), { ...shared, store, lineage: { ...shared.lineage, checkpointsTravel: false } }),
    );
    for (const event of await eventsOf(store, "checkpoint.created")) expect(Object.keys(event)).not.toContain("stored");
    await store.delete("loop").catch(() => {});
    const other = await openMemoryStore();
    await runLoop(optionsWith(machine("b", { travels: false }), { ...shared, store: other }));
    for (const event of await eventsOf(other, "checkpoint.created"))
      expect(event).toMatchObject({ reason: "not put into the store: this sandbox cannot give its checkpoints away" });
    await expect(
      runLoop(optionsWith(machine("c"), { ...shared, lineage: { checkpointsTravel: "yes" as unknown as boolean } })),
    ).rejects.toMatchObject({ code: "invalid_option" });
    await Promise.all([store.close(), other.close()]);
  });
});
