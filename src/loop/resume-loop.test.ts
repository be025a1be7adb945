import { describe, expect, it } from "vitest";
import { SkeinError } from "../errors.ts";
import type { EventBody, StoredEvent } from "../event/event.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import type { SessionStore, SessionWriter } from "../store/session-store.ts";
import type { ScriptedSandbox, ScriptedSandboxOptions } from "../testing/scripted-sandbox.ts";
import { createScriptedSandbox } from "../testing/scripted-sandbox.ts";
import { fanout } from "./drivers/fanout.ts";
import { randomK } from "./drivers/random-k.ts";
import { refine } from "./drivers/refine.ts";
import type { LoopResult, RunLoopOptions } from "./loop-types.ts";
import { runLoop } from "./run-loop.ts";

type Options = RunLoopOptions<string, string, string>;

/** Passes everything on until it is frozen, as a process does until it is killed; from then on nothing comes back. */
class Process {
  frozen = false;
  #appends = 0;
  readonly #writers: SessionWriter[] = [];
  readonly #dieAfter: number;

  constructor(dieAfter: number) {
    this.#dieAfter = dieAfter;
  }

  get appends(): number {
    return this.#appends;
  }

  readonly gate = async (): Promise<void> => {
    if (this.frozen) await new Promise(() => {});
  };

  store(inner: SessionStore): SessionStore {
    const { gate } = this;
    const wrap = <T extends object>(target: T, over: Partial<Record<keyof T, unknown>>): T =>
      new Proxy(target, {
        get(_target, key) {
          const own = over[key as keyof T] ?? Reflect.get(target, key, target);
          return typeof own === "function" ? (own as () => unknown).bind(target) : own;
        },
      });
    return wrap(inner, {
      openWriter: async (...args: Parameters<SessionStore["openWriter"]>) => {
        await gate();
        const writer = await inner.openWriter(...args);
        this.#writers.push(writer);
        return wrap(writer, {
          append: async (...appended: Parameters<SessionWriter["append"]>) => {
            await gate();
            const events = await writer.append(...appended);
            if (++this.#appends >= this.#dieAfter) this.frozen = true;
            await gate();
            return events;
          },
        });
      },
    });
  }

  /** What the operating system does with a dead process: its claims are gone, nothing is tidied. */
  async bury(): Promise<void> {
    for (const writer of this.#writers) await writer.close();
  }
}

const agent: NonNullable<ScriptedSandboxOptions["agent"]> = ({ memory, prompt }) =>
  [1, 2, 3].map((part): EventBody => ({ type: "text.delta", text: `${prompt}${memory.prompts.length}.${part} ` }));

const textOf = (events: readonly StoredEvent[]): string =>
  events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");

const scenarios: Record<string, Partial<Options> & { client: Omit<ScriptedSandboxOptions, "before" | "agent"> }> = {
  "independent samples, boxes lost": { client: {}, driver: randomK(3) as Options["driver"], maxConcurrency: 2 },
  "independent samples, boxes found": {
    client: { attachable: true },
    driver: randomK(3) as Options["driver"],
    maxConcurrency: 2,
  },
  "a continued conversation": {
    client: { attachable: true },
    driver: refine({ patience: 3 }) as Options["driver"],
    lineage: { sessionContinuity: true },
  },
  "forks of a prepared box": {
    client: { attachable: true, modes: ["memory"] },
    driver: fanout({ k: 3, prepare: true, rounds: 2 }) as Options["driver"],
    lineage: { forkFanout: true, sessionContinuity: true },
  },
};

/** A continued conversation with a fork point at the end of each round. */
const checkpointed: (typeof scenarios)[string] = {
  client: { attachable: true, modes: ["files"] },
  driver: refine({ patience: 3 }) as Options["driver"],
  lineage: { sessionContinuity: true, checkpoints: "every-round" },
};

function optionsOf(
  { client: _client, ...more }: (typeof scenarios)[string],
  sandboxClient: ScriptedSandbox,
  store: SessionStore,
): Options {
  return {
    task: "task ",
    driver: randomK(1) as Options["driver"],
    agentRun: { profile: { name: "scripted" }, taskToPrompt: (task) => task },
    output: { parse: textOf },
    // The later the conversation, the better; the last iteration is the best.
    validator: { validate: (output, { iteration }) => ({ valid: iteration >= 3, score: output.length + iteration }) },
    sandboxClient,
    store,
    sessionId: "l",
    ...more,
  };
}

const summary = ({ iterations, winner, status }: LoopResult<string, string, string>): unknown => ({
  status,
  winner: winner?.iterationIndex,
  iterations: iterations.map(({ index, round, output, parentIndex, verdict }) => ({
    index,
    round,
    output,
    parentIndex,
    verdict,
  })),
});

async function collect(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** Runs a loop in a process that dies after so many appends, and gives what it left. */
async function crash(
  scenario: (typeof scenarios)[string],
  dieAfter: number,
): Promise<{ store: SessionStore; client: ScriptedSandbox; died: boolean }> {
  const dying = new Process(dieAfter);
  const store = await openMemoryStore();
  let current: Process | undefined = dying;
  const before = async (): Promise<void> => current?.gate();
  const client = createScriptedSandbox({ agent, ...scenario.client, before });
  let ended = false;
  void runLoop(optionsOf(scenario, client, dying.store(store))).then(() => (ended = true));
  while (!dying.frozen && !ended) await new Promise((resolve) => setImmediate(resolve));
  current = undefined;
  await dying.bury();
  await store.recover();
  return { store, client, died: !ended };
}

describe("a resumed loop", () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    it(`K10: ends as the loop that was never interrupted, whenever it dies: ${name}`, async () => {
      const whole = await runLoop(
        optionsOf(scenario, createScriptedSandbox({ agent, ...scenario.client }), await openMemoryStore()),
      );
      let crashes = 0;
      for (let dieAfter = 1; ; dieAfter++) {
        const { store, client, died } = await crash(scenario, dieAfter);
        if (!died) break;
        crashes++;
        const before = await collect(store.read("l"));
        const ended = new Set(before.flatMap((event) => (event.type === "iteration.ended" ? [event.index] : [])));
        const prompts = client.calls.length;
        const result = await runLoop({ ...optionsOf(scenario, client, store), resume: true });
        expect(summary(result), `died after ${dieAfter}`).toEqual(summary(whole));
        const after = await collect(store.read("l"));
        const again = after
          .slice(before.length)
          .flatMap((event) => (event.type === "iteration.started" ? [event.index] : []));
        expect(
          again.filter((index) => ended.has(index)),
          `died after ${dieAfter}`,
        ).toEqual([]);
        const started = after.filter((event) => event.type === "run.started");
        expect(started.at(-1)?.continues).toBe(started.at(-2)?.runId);
        if (scenario.client.attachable === true) {
          expect(client.alive.size, `died after ${dieAfter}`).toBe(0);
          const asked = client.calls.slice(prompts).filter(({ method }) => method === "streamPrompt").length;
          expect(asked).toBeLessThanOrEqual(whole.iterations.length - ended.size);
        }
        for (const { id } of await store.list()) {
          const events = await collect(store.read(id));
          const runs = new Set(events.map(({ runId }) => runId));
          expect(events.filter(({ type }) => type === "final").length, `${id}, died after ${dieAfter}`).toBe(runs.size);
        }
      }
      expect(crashes).toBeGreaterThan(10);
    });
  }

  it("K10: a continued iteration whose box is lost is refused, or begins afresh where the caller says so", async () => {
    const scenario = {
      ...scenarios["a continued conversation"],
      client: { attachable: true },
    } as (typeof scenarios)[string];
    const { store, client } = await crash(scenario, 14);
    const events = await collect(store.read("l"));
    expect(events.filter(({ type }) => type === "iteration.ended").length).toBeGreaterThan(0);
    for (const id of [...client.alive]) await (await client.attach?.(id))?.delete();
    const options = optionsOf(scenario, client, store);
    await expect(runLoop({ ...options, resume: true })).rejects.toMatchObject({ code: "conversation_gone" });
    expect(await runLoop({ ...options, resume: true, onLostBox: "fresh" })).toMatchObject({ status: "completed" });
  });

  it("K10: on another machine, which has neither box nor checkpoint, a continued iteration is refused or begins afresh, and the log says why", async () => {
    const { store, client } = await crash(checkpointed, 14);
    const log = await collect(store.read("l"));
    const checkpoint = log.findLast((event) => event.type === "checkpoint.created");
    expect(checkpoint).toBeDefined();
    // The boxes of the first machine go on living there; nobody here can reach them.
    expect(client.alive.size).toBeGreaterThan(0);
    const elsewhere = createScriptedSandbox({ agent, ...checkpointed.client, idPrefix: "elsewhere" });
    const options = { ...optionsOf(checkpointed, elsewhere, store), resume: true };
    await expect(runLoop(options)).rejects.toMatchObject({
      code: "conversation_gone",
      message: expect.stringContaining("is not on this machine") as string,
    });
    expect(elsewhere.calls.map(({ method }) => method)).not.toContain("create");
    expect(await runLoop({ ...options, onLostBox: "fresh" })).toMatchObject({ status: "completed" });
    expect(elsewhere.calls.map(({ method }) => method)).not.toContain("restore");
    const made = (await collect(store.read("l"))).filter((event) => event.type === "box.created");
    expect(made.flatMap(({ reason }) => reason ?? [])).toEqual([
      expect.stringMatching(
        /^begun afresh: the box of iteration \d is gone, and its checkpoint \S+ is not on this machine$/,
      ),
    ]);
  });

  it("K10: on its own machine the same loop goes on from its checkpoint where the box is gone", async () => {
    const { store, client } = await crash(checkpointed, 14);
    for (const id of [...client.alive]) await (await client.attach?.(id))?.delete();
    expect(await runLoop({ ...optionsOf(checkpointed, client, store), resume: true })).toMatchObject({
      status: "completed",
    });
    expect(client.calls.map(({ method }) => method)).toContain("restore");
  });

  it("K10: a loop whose driver, specs or validator changed is refused unless the caller allows it", async () => {
    const { store, client } = await crash(
      scenarios["independent samples, boxes lost"] as (typeof scenarios)[string],
      9,
    );
    const changed = {
      ...optionsOf({ client: {} }, client, store),
      driver: fanout({ k: 3 }) as Options["driver"],
      resume: true,
    };
    await expect(runLoop(changed)).rejects.toMatchObject({ code: "loop_changed" });
    const types = (await collect(store.read("l"))).map(({ type }) => type);
    expect(types.filter((type) => type === "run.started")).toHaveLength(1);
    expect(types.at(-1)).toBe("final");
    expect(await runLoop({ ...changed, allowChanged: true })).toMatchObject({ iterations: [{}, {}, {}] });
  });

  it("K10: refuses to resume what is not there, and what another writer holds", async () => {
    const store = await openMemoryStore();
    const options = optionsOf({ client: {} }, createScriptedSandbox({ agent }), store);
    const codeOf = (work: Promise<unknown>): Promise<unknown> =>
      work.then(
        () => "none",
        (error: unknown) => (SkeinError.is(error) ? error.code : error),
      );
    expect(await codeOf(runLoop({ ...options, resume: true }))).toBe("session_unknown");
    await runLoop(options);
    expect(await codeOf(runLoop(options))).toBe("session_exists");
    await using writer = await store.openWriter("l");
    expect(await codeOf(runLoop({ ...options, resume: true }))).toBe("session_busy");
    expect(writer.epoch).toBeGreaterThan(1);
  });

  it("K10: a loop that had ended asks nobody again", async () => {
    const store = await openMemoryStore();
    const client = createScriptedSandbox({ agent });
    const options = optionsOf({ client: {}, driver: randomK(2) as Options["driver"] }, client, store);
    const first = await runLoop(options);
    const calls = client.calls.length;
    const second = await runLoop({ ...options, resume: true });
    expect(summary(second)).toEqual(summary(first));
    expect(client.calls.length).toBe(calls);
  });
});
