import { describe, expect, it } from "vitest";
import type { StoredEvent } from "../event/event.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import type { SessionStore } from "../store/session-store.ts";
import type { ScriptedSandbox } from "../testing/scripted-sandbox.ts";
import { createScriptedSandbox } from "../testing/scripted-sandbox.ts";
import { refine } from "./drivers/refine.ts";
import { forkLoop } from "./fork-loop.ts";
import type { RunLoopOptions } from "./loop-types.ts";
import { runLoop } from "./run-loop.ts";

type Options = RunLoopOptions<string, string, string> & { readonly store: SessionStore };

const textOf = (events: readonly StoredEvent[]): string =>
  events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");

function optionsOf(
  store: SessionStore,
  sandboxClient: ScriptedSandbox,
  checkpoints: "every-round" | "when-forked",
): Options {
  return {
    task: "a",
    driver: refine({ patience: 9, next: () => "b" }) as Options["driver"],
    agentRun: { profile: { name: "scripted" }, taskToPrompt: (task) => task },
    output: { parse: textOf },
    validator: { validate: (_output, { iteration }) => ({ valid: iteration === 2, score: iteration }) },
    sandboxClient,
    store,
    sessionId: "l",
    lineage: { sessionContinuity: true, checkpoints },
  };
}

async function collect(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const remembering = (): ScriptedSandbox =>
  createScriptedSandbox({
    modes: ["memory"],
    agent: ({ memory }) => [{ type: "text.delta", text: memory.prompts.join(",") }],
  });

describe("forkLoop", () => {
  it("K10: goes on from a round's fork point in a loop of its own, and leaves the other one as it was", async () => {
    const store = await openMemoryStore();
    const client = remembering();
    const { sessionId: _own, ...options } = optionsOf(store, client, "every-round");
    const parent = await runLoop({ ...options, sessionId: "l" });
    expect(parent.iterations.map(({ output }) => output)).toEqual(["a", "a,b", "a,b,b"]);
    const before = await collect(store.read("l"));
    const child = await forkLoop("l", {
      ...options,
      atRound: 0,
      driver: refine({ patience: 9, next: () => "c" }) as Options["driver"],
      validator: { validate: (_output, { iteration }) => ({ valid: iteration === 1, score: iteration }) },
    });
    expect(child.iterations.map(({ output }) => output)).toEqual(["a", "a,c"]);
    expect(child).toMatchObject({ status: "completed", winner: { iterationIndex: 1 } });
    expect(await store.get(child.sessionId)).toMatchObject({ forkedFrom: { sessionId: "l" } });
    expect(await collect(store.read("l"))).toEqual(before);
    expect(client.alive.size).toBe(0);
    // The fork point is still there for the next one.
    expect((await forkLoop("l", { ...options, atRound: 1 })).iterations.map(({ output }) => output)).toEqual([
      "a",
      "a,b",
      "a,b,b",
    ]);
  });

  it("K10: refuses a round without a fork point, naming those that have one", async () => {
    const store = await openMemoryStore();
    const client = remembering();
    const { sessionId: _own, ...options } = optionsOf(store, client, "every-round");
    await runLoop({ ...options, sessionId: "l" });
    await expect(forkLoop("l", { ...options, atRound: 7 })).rejects.toMatchObject({
      code: "fork_position",
      message: expect.stringContaining("0, 1, 2") as string,
    });
    await expect(forkLoop("none", { ...options, atRound: 0 })).rejects.toMatchObject({ code: "session_unknown" });
    await runLoop({ ...optionsOf(store, client, "when-forked"), sessionId: "plain" });
    await expect(forkLoop("plain", { ...options, atRound: 0 })).rejects.toMatchObject({
      message: expect.stringContaining("every-round") as string,
    });
  });
});
