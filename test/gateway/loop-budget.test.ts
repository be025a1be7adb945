import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunLoopOptions, SessionStore, StoredEvent } from "skein";
import { openMemoryStore, randomK, runLoop } from "skein";
import { createModelGateway } from "skein/sandbox/gateway";
import type { LocalSandboxClient } from "skein/sandbox/local";
import { openLocalSandbox } from "skein/sandbox/local";
import type { ScriptedModel } from "skein/testing";
import { startScriptedModel } from "skein/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

/** What a call of the scripted model takes that is asked to say "hi". */
const TOKENS = 4;

describe("a loop over boxes whose model calls pass through a gateway", () => {
  let directory: string;
  let model: ScriptedModel;
  let client: LocalSandboxClient;
  let store: SessionStore;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "skein-budget-"));
    model = await startScriptedModel();
    client = await openLocalSandbox({
      directory,
      containment: "none",
      gateway: createModelGateway({ upstreams: [{ api: "anthropic", baseUrl: model.url }] }),
    });
    store = await openMemoryStore();
  });
  afterEach(async () => {
    for (const { id } of await client.list()) await (await client.attach(id))?.delete();
    await client.close();
    await store.close();
    await model.close();
    await rm(directory, { recursive: true, force: true });
  });

  type Options = RunLoopOptions<string, string, string>;
  const options = (more: Partial<Options>): Options => ({
    task: Array(4).fill("call {{say: hi}}").join("\n"),
    driver: randomK(2) as Options["driver"],
    maxConcurrency: 2,
    agentRun: { profile: { name: "scripted", agent: "scripted" }, taskToPrompt: (task) => task },
    output: { parse: () => "" },
    sandboxClient: client,
    store,
    sessionId: "l",
    ...more,
  });
  const read = async (sessionId: string): Promise<StoredEvent[]> => {
    const events: StoredEvent[] = [];
    for await (const event of store.read(sessionId)) events.push(event);
    return events;
  };

  it("K11: two boxes stop within one budget that the gateway was never told of, and the log says so", async () => {
    const result = await runLoop(options({ budget: { maxTokens: 5 * TOKENS } }));
    // Both boxes may have had a call under way when the budget was used up.
    expect([5, 6]).toContain(model.requests.length);
    expect(result.usage).toMatchObject({ inputTokens: 3 * model.requests.length, outputTokens: model.requests.length });
    const log = await read("l");
    expect(log.find(({ type }) => type === "loop.started")).toMatchObject({
      budget: { maxTokens: 5 * TOKENS },
    });
    const ended = log.filter(({ type }) => type === "iteration.ended");
    expect(ended).toHaveLength(2);
    expect(ended).toContainEqual(
      expect.objectContaining({
        status: "failed",
        error: expect.objectContaining({ code: "budget_exhausted" }) as unknown,
      }),
    );
    expect(log.at(-1)).toMatchObject({ type: "final", usage: result.usage });
  });

  it("K11: a continued box is held to what its loop has left, over a resume", async () => {
    const more = options({
      task: "call {{say: hi}}",
      driver: {
        name: "again",
        plan: (task, history) => (history.length < 5 ? [task] : []),
        decide: () => "next",
      },
      lineage: { sessionContinuity: true },
      budget: { maxTokens: 2 * TOKENS },
    });
    const first = await runLoop(more);
    expect([first.reason, model.requests.length]).toEqual(["budget_exhausted", 2]);
    const second = await runLoop({ ...more, budget: { maxTokens: 3 * TOKENS }, resume: true, onLostBox: "fresh" });
    expect([second.reason, model.requests.length]).toEqual(["budget_exhausted", 3]);
  });

  it("K3: an abort ends the call that is under way", async () => {
    model.setFault("hang");
    const controller = new AbortController();
    const running = runLoop(options({ driver: randomK(1) as Options["driver"], signal: controller.signal }));
    while (model.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    await expect(running).rejects.toMatchObject({ name: "AbortError" });
    expect(model.requests.length).toBe(1);
    expect((await read("l")).at(-1)).toMatchObject({ type: "final", status: "aborted" });
  });
});
