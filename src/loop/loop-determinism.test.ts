import { expect, it } from "vitest";
import type { StoredEvent } from "../event/event.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import { createScriptedSandbox } from "../testing/scripted-sandbox.ts";
import { fanout } from "./drivers/fanout.ts";
import { runLoop } from "./run-loop.ts";

/** Every stored event of a loop and its iterations, in order of the sessions' ids. */
async function runOnce(maxConcurrency: number): Promise<Record<string, unknown>[]> {
  const store = await openMemoryStore();
  await runLoop({
    task: "task",
    driver: fanout({ k: 3, prepare: true, rounds: 2 }),
    agentRun: { profile: { name: "scripted" }, taskToPrompt: (task) => task },
    output: { parse: (events) => events.length },
    validator: { validate: (_output, { iteration }) => ({ valid: iteration === 5, score: iteration }) },
    sandboxClient: createScriptedSandbox({
      modes: ["memory"],
      agent: ({ memory }) => [
        { type: "text.delta", text: memory.prompts.join(",") },
        { type: "usage.reported", model: "m", inputTokens: memory.prompts.length },
      ],
    }),
    store,
    sessionId: "l",
    lineage: { forkFanout: true, sessionContinuity: true },
    maxConcurrency,
    now: () => 1000,
  });
  const events: StoredEvent[] = [];
  for (const { id } of (await store.list()).sort((a, b) => (a.id < b.id ? -1 : 1)))
    for await (const event of store.read(id)) events.push(event);
  return events.map((event) => withoutIds(event) as Record<string, unknown>);
}

/** Ids that are drawn, and times that the store and the machine decide. */
const DRAWN = new Set(["at", "runId", "turnId", "conversationId", "durationMs", "continues"]);

function withoutIds(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutIds);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, field]) =>
      DRAWN.has(key) || (key === "id" && "seq" in value) ? [] : [[key, withoutIds(field)]],
    ),
  );
}

it("K10: the same inputs and the same answers from boxes give the same log, apart from ids and times", async () => {
  const first = await runOnce(1);
  expect(first.length).toBeGreaterThan(60);
  expect(await runOnce(1)).toEqual(first);
});

it("K10: iterations side by side give the same events, in the order in which they came to their ends", async () => {
  // Which of two boxes that run at the same time is first is the machine's to say, and so is which name it gets.
  const sorted = async (): Promise<string[]> =>
    (await runOnce(4))
      .map(({ seq: _seq, boxId: _boxId, from: _from, checkpointId: _id, ...rest }) => JSON.stringify(rest))
      .sort();
  expect(await sorted()).toEqual(await sorted());
});
