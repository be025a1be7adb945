import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createIterableBackend } from "../../backend/iterable/index.ts";
import type { StoredEvent } from "../../event/event.ts";
import { randomK } from "../../loop/drivers/random-k.ts";
import { openMemoryStore } from "../../store/memory/index.ts";
import type { SessionStore } from "../../store/session-store.ts";
import { createScriptedSandbox } from "../../testing/scripted-sandbox.ts";
import { createApp } from "../create-app.ts";
import type { SkeinApp } from "../create-app.ts";
import type { TaskDefinition } from "./run-definitions.ts";
import { defineLoop } from "./run-definitions.ts";
import type { RunResource } from "./run-routes.ts";

let store: SessionStore;
let app: SkeinApp;

const echo: TaskDefinition = {
  description: "Says what it is told.",
  backend: createIterableBackend("echo", function* echo({ prompt }) {
    yield { type: "text.delta", text: prompt };
  }),
};

/** Runs until it is aborted. */
const wait: TaskDefinition = {
  backend: createIterableBackend("wait", async function* wait(_input, { signal }) {
    yield { type: "text.delta", text: "waiting" };
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }),
};

const ask: TaskDefinition = {
  backend: (_input, context) =>
    createIterableBackend("ask", async function* ask() {
      const options = [{ optionId: "yes", name: "Yes" }];
      yield { type: "permission.requested", requestId: "q1", title: "May I?", options };
      const answer = await context.answered("q1");
      yield { type: "permission.answered", requestId: "q1", ...answer };
    }),
};

const sample = defineLoop({
  settings: ({ k }) => ({
    task: { prompt: "sample" },
    driver: randomK(Number(k)),
    agentRun: { profile: { name: "scripted" }, taskToPrompt: ({ prompt }: { prompt: string }) => prompt },
    output: { parse: (events: readonly StoredEvent[]) => events.length },
    sandboxClient: createScriptedSandbox(),
  }),
});

beforeEach(async () => {
  store = await openMemoryStore();
  app = createApp({ store, tasks: { echo, wait, ask }, loops: { sample } });
});

afterEach(async () => {
  await app.close();
  await store.close();
});

async function post(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Response> {
  return app.request(`http://localhost${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

const start = async (name: string, input: object = {}, headers: Record<string, string> = {}): Promise<RunResource> =>
  (await (await post("/api/runs", { name, input }, headers)).json()) as RunResource;

async function eventsOf(sessionId: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.tail(sessionId, { until: "final" })) events.push(event);
  return events;
}

/** Resolves when the session has an event of the type. */
async function until(sessionId: string, type: string): Promise<void> {
  for await (const event of store.tail(sessionId)) if (event.type === type) return;
}

describe("starting", () => {
  it("answers with the run as soon as it has begun, and the run goes on by itself", async () => {
    const answer = await post("/api/runs", { name: "echo", input: { prompt: "hello" } });
    expect(answer.status).toBe(201);
    const run = (await answer.json()) as RunResource;
    expect(answer.headers.get("location")).toBe(`/api/runs/${run.sessionId}`);
    expect(run).toMatchObject({ name: "echo", kind: "task", runId: expect.any(String) });
    const events = await eventsOf(run.sessionId);
    expect(events.at(-1)).toMatchObject({ type: "final", status: "completed", text: "hello" });
    expect(events[0]?.runId).toBe(run.runId);
  });

  it("starts a run once however often one idempotency key comes, also at the same time and at another server", async () => {
    const other = createApp({ store, tasks: { echo } });
    const request = (on: SkeinApp): Promise<Response> =>
      Promise.resolve(
        on.request("http://localhost/api/runs", {
          method: "POST",
          headers: { "content-type": "application/json", "idempotency-key": "once" },
          body: JSON.stringify({ name: "echo", input: { prompt: "hello" } }),
        }),
      );
    const answers = await Promise.all([request(app), request(other), request(app)]);
    answers.push(await request(other));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 201]);
    const runs = (await Promise.all(answers.map((answer) => answer.json()))) as RunResource[];
    expect(new Set(runs.map(({ sessionId }) => sessionId)).size).toBe(1);
    expect(await store.list()).toHaveLength(1);
    const changed = await post(
      "/api/runs",
      { name: "echo", input: { prompt: "other" } },
      { "idempotency-key": "once" },
    );
    expect(changed.status).toBe(409);
    expect(await changed.json()).toMatchObject({ code: "idempotency_conflict" });
  });

  it("does not keep a secret of an input where the log would not", async () => {
    const token = `ghp_${"a1B2".repeat(9)}`;
    const run = await start("echo", { prompt: `use ${token}` });
    await eventsOf(run.sessionId);
    const session = await store.get(run.sessionId);
    expect(JSON.stringify(session)).not.toContain(token);
  });

  it.each([
    [{ name: "nothing" }, 404, "task_unknown"],
    [{}, 400, "invalid_option"],
    [{ name: "echo", input: [] }, 400, "invalid_option"],
    [{ name: "echo", input: {} }, 400, "invalid_option"],
  ])("refuses %j", async (body, status, code) => {
    const answer = await post("/api/runs", body);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ code });
    expect(await store.list()).toEqual([]);
  });

  it("lists what may be started", async () => {
    const answer = (await (await app.request("http://localhost/api/tasks")).json()) as { tasks: { name: string }[] };
    expect(answer.tasks.map(({ name }) => name)).toEqual(["echo", "wait", "ask", "sample"]);
    expect(answer.tasks[0]).toMatchObject({ kind: "task", description: "Says what it is told." });
  });
});

describe("steering", () => {
  it("L6: aborts a run, whose end is stored, and says so as often as it is asked", async () => {
    const run = await start("wait", { prompt: "" });
    await until(run.sessionId, "text.delta");
    for (const path of ["/api/runs", "/api/sessions"]) {
      const answer = await post(`${path}/${run.sessionId}/abort`);
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({ status: "aborted" });
    }
    const events = await eventsOf(run.sessionId);
    expect(events.filter(({ type }) => type === "final")).toMatchObject([{ status: "aborted" }]);
  });

  it("does not abort what another process executes", async () => {
    await store.create({ id: "elsewhere", kind: "task" });
    await using writer = await store.openWriter("elsewhere");
    await writer.append([{ type: "run.started", kind: "task", task: "x" }]);
    const answer = await post("/api/runs/elsewhere/abort");
    expect(answer.status).toBe(409);
    expect(await answer.json()).toMatchObject({ code: "run_elsewhere" });
  });

  it("hands an answer to the run that asked, with who gave it, once", async () => {
    const run = await start("ask", { prompt: "" });
    await until(run.sessionId, "permission.requested");
    const answer = { requestId: "q1", optionId: "yes" };
    expect((await post(`/api/runs/${run.sessionId}/answer`, { ...answer, requestId: "q2" })).status).toBe(404);
    expect((await post(`/api/runs/${run.sessionId}/answer`, answer)).status).toBe(202);
    expect((await post(`/api/runs/${run.sessionId}/answer`, answer)).status).toBe(404);
    const events = await eventsOf(run.sessionId);
    expect(events.find(({ type }) => type === "permission.answered")).toMatchObject({ optionId: "yes", by: "local" });
  });

  it("goes on in a session with a new input", async () => {
    const run = await start("echo", { prompt: "one" });
    await eventsOf(run.sessionId);
    const again = (await (
      await post(`/api/runs/${run.sessionId}/resume`, { input: { prompt: "two" } })
    ).json()) as RunResource;
    expect(again.sessionId).toBe(run.sessionId);
    expect(again.runId).not.toBe(run.runId);
    await app.settled();
    const finals: StoredEvent[] = [];
    for await (const event of store.read(run.sessionId)) if (event.type === "final") finals.push(event);
    expect(finals).toMatchObject([{ text: "one" }, { text: "two" }]);
  });

  it("forks at a position", async () => {
    const run = await start("echo", { prompt: "one" });
    await eventsOf(run.sessionId);
    const answer = await post(`/api/sessions/${run.sessionId}/fork`, { atSeq: 2 });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({ forkedFrom: { sessionId: run.sessionId, atSeq: 2 } });
    expect((await post(`/api/sessions/${run.sessionId}/fork`, { atSeq: 99 })).status).toBe(409);
    expect((await post(`/api/sessions/${run.sessionId}/fork`, {})).status).toBe(400);
  });
});

it("runs loops, whose rounds, boxes and lineage are read back", async () => {
  const run = await start("sample", { k: 3 });
  await eventsOf(run.sessionId);
  await app.settled();
  const lineage = (await (await app.request(`http://localhost/api/sessions/${run.sessionId}/lineage`)).json()) as {
    iterations: { status: string }[];
    edges: { kind: string }[];
  };
  expect(lineage.iterations.map(({ status }) => status)).toEqual(["completed", "completed", "completed"]);
  expect(lineage.edges.map(({ kind }) => kind)).toEqual(["new", "new", "new"]);
  const { boxes } = (await (await app.request(`http://localhost/api/runs/${run.sessionId}/boxes`)).json()) as {
    boxes: { status: string }[];
  };
  expect(boxes.map(({ status }) => status)).toEqual(["deleted", "deleted", "deleted"]);
  const again = (await (await app.request("http://localhost/api/runs?name=sample")).json()) as { runs: RunResource[] };
  expect(again.runs).toMatchObject([{ sessionId: run.sessionId, name: "sample", kind: "loop" }]);
});
