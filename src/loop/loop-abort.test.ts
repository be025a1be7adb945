import { expect, it } from "vitest";
import { openMemoryStore } from "../store/memory/index.ts";
import { createScriptedSandbox } from "../testing/scripted-sandbox.ts";
import type { Options } from "./run-loop.test.support.ts";
import { collect, counting, loop, scripted, textOf } from "./run-loop.test.support.ts";

interface Walk {
  /** Each call of the loop's own and of its client, and each event, as `<name> <how often by then>`. */
  readonly places: readonly string[];
  /** The driver had said that the loop is done when the abort came. */
  readonly wasDecided: boolean;
}

/** A loop that continues a box, forks it three times in waves of two, starts afresh and continues again; aborted in one of its places. */
async function abortIn(target: string | undefined, lineage: Options["lineage"]): Promise<Walk> {
  const controller = new AbortController();
  const places: string[] = [];
  const counts = new Map<string, number>();
  let isDone = false;
  let wasDecided = false;
  const at = (name: string): void => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    const place = `${name} ${count}`;
    places.push(place);
    if (place !== target) return;
    wasDecided = isDone;
    controller.abort();
  };
  const client = createScriptedSandbox({ agent: counting, modes: ["files"], before: ({ method }) => at(method) });
  const store = await openMemoryStore();
  const driver = scripted([["a"], ["b"], ["c", "d", "e"], ["f"]]);
  const work = loop(client, {
    store,
    sessionId: "l",
    maxConcurrency: 2,
    ...(lineage === undefined ? {} : { lineage }),
    driver: {
      ...driver,
      plan: (...given) => (at("plan"), driver.plan(...given)),
      decide(...given) {
        at("decide");
        const decision = driver.decide(...given);
        isDone = decision === "done";
        return decision;
      },
    },
    agentRun: { profile: { name: "scripted" }, taskToPrompt: (task) => (at("taskToPrompt"), task) },
    output: { parse: (events) => (at("parse"), textOf(events)) },
    validator: { validate: async () => (at("validate"), { valid: false, score: 0 }) },
    onEvent: ({ type }) => at(type),
    signal: controller.signal,
  });
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const where = `in ${target}`;
  expect(controller.signal.aborted, where).toBe(target !== undefined);
  const isAborted = controller.signal.aborted && !wasDecided;
  if (isAborted) expect(error, where).toMatchObject({ name: "AbortError" });
  else expect(error, where).toBe(undefined);
  expect([...client.alive], where).toEqual([]);
  for (const { id } of await store.list()) {
    const finals = (await collect(store.read(id))).filter(({ type }) => type === "final");
    expect(finals, `${where}, session ${id}`).toHaveLength(1);
  }
  const events = await collect(store.read("l"));
  expect(events.at(-1), where).toMatchObject({ type: "final", status: isAborted ? "aborted" : "failed" });
  const count = (type: string): number => events.filter((event) => event.type === type).length;
  expect(count("iteration.ended"), where).toBe(count("iteration.started"));
  expect(count("box.deleted"), where).toBe(count("box.created") + count("box.forked"));
  // No fresh round starts on an aborted loop.
  if (isAborted) {
    const later = places.slice(places.indexOf(target as string) + 1);
    expect(
      later.filter((place) => place.startsWith("plan ")),
      where,
    ).toEqual([]);
  }
  return { places, wasDecided };
}

it.each([
  ["with lineage", { sessionContinuity: true, forkFanout: true }],
  ["without lineage", undefined],
] as const)(
  "K3: an abort in any call and at any event of a loop %s deletes every box, stores one final and rejects with an AbortError",
  async (_name, lineage) => {
    const { places } = await abortIn(undefined, lineage);
    const calls = [
      "plan 4",
      "taskToPrompt 6",
      "create 1",
      "streamPrompt 6",
      "parse 6",
      "validate 6",
      "decide 4",
      "delete 4",
    ];
    const shared = lineage === undefined ? [] : ["status 1", "checkpoint 1", "fork 1", "fork 2", "fork 3"];
    expect([...calls, ...shared].filter((place) => !places.includes(place))).toEqual([]);
    const inTeardown: string[] = [];
    for (const place of places) {
      const { wasDecided } = await abortIn(place, lineage);
      if (wasDecided && place.startsWith("delete ")) inTeardown.push(place);
    }
    // Without lineage no box is left for the end.
    expect(inTeardown).toHaveLength(lineage === undefined ? 0 : 1);
  },
);
