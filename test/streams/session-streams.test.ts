import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DurableStream, IdempotentProducer, stream } from "@durable-streams/client";
import { openMemoryStore, runTask, type SessionStore, type StoredEvent } from "skein";
import { createIterableBackend } from "skein/backend/iterable";
import { createApp, openServer, type SkeinServer } from "skein/server";
import { openSqliteStore } from "skein/store/sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

async function storedEvents(store: SessionStore, sessionId: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.read(sessionId)) events.push(event);
  return events;
}

const words = (count: number): ReturnType<typeof createIterableBackend> =>
  createIterableBackend("words", async function* words() {
    for (let word = 0; word < count; word++) yield { type: "text.delta", text: `${word} ` };
  });

describe("sessions as Durable Streams", () => {
  let store: SessionStore;
  let server: SkeinServer;

  beforeEach(async () => {
    store = await openMemoryStore();
    server = await openServer({ app: createApp({ store, longPollMs: 500 }), port: 0 });
  });

  afterEach(async () => {
    await server.close();
    await store.close();
  });

  it("L4: are read from any offset, catching up, by long-poll and by SSE, as the events that are stored", async () => {
    await runTask({ task: "count", backend: words(20), store, sessionId: "s" });
    const events = await storedEvents(store, "s");
    const url = `${server.url}/v1/session/s`;
    const offsets = ["-1"];
    for (let at = 1; at <= events.length; at++) offsets.push(`0000000000000000_${String(at).padStart(16, "0")}`);
    for (const [after, offset] of offsets.entries()) {
      const answer = await fetch(`${url}?offset=${offset}`);
      expect(await answer.json()).toEqual(events.slice(after));
      expect(answer.headers.get("stream-next-offset")).toBe(offsets.at(-1));
      expect(answer.headers.get("stream-up-to-date")).toBe("true");
      expect(answer.headers.get("stream-closed")).toBeNull();
    }
    const polled = await stream<StoredEvent>({ url, live: "long-poll", offset: offsets[3]! });
    const seen: StoredEvent[] = [];
    const all = new Promise<void>((resolve) => {
      polled.subscribeJson((batch) => {
        seen.push(...batch.items);
        if (seen.filter(({ type }) => type === "final").length === 2) resolve();
      });
    });
    await runTask({ task: "count", backend: words(5), store, sessionId: "s", resume: true });
    await all;
    polled.cancel();
    expect(seen).toEqual((await storedEvents(store, "s")).slice(3));
  });

  it("close with the run, one stream for each", async () => {
    const { runId } = await runTask({ task: "one", backend: words(3), store, sessionId: "s" });
    await runTask({ task: "two", backend: words(3), store, sessionId: "s", resume: true });
    const events = await storedEvents(store, "s");
    const answer = await fetch(`${server.url}/v1/session/s/run/${runId}`);
    expect(await answer.json()).toEqual(events.filter((event) => event.runId === runId));
    expect(answer.headers.get("stream-closed")).toBe("true");
    const read = await stream<StoredEvent>({ url: `${server.url}/v1/session/s/run/${runId}`, live: "sse" });
    expect(await read.json()).toEqual(events.filter((event) => event.runId === runId));
    expect((await fetch(`${server.url}/v1/session/s/run/none`)).status).toBe(404);
    expect((await fetch(`${server.url}/v1/session/none`)).status).toBe(404);
    expect((await fetch(`${server.url}/v1/session/s`, { method: "PUT" })).status).toBe(404);
  });

  it("L5: are written by one producer, whose epoch is the writer's; one of the past gets 403", async () => {
    await store.create({ id: "s", kind: "task" });
    const url = `${server.url}/v1/session/s`;
    const post = (epoch: number, seq: number, bodies: unknown): Promise<Response> =>
      fetch(url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "producer-id": "p",
          "producer-epoch": String(epoch),
          "producer-seq": String(seq),
        },
        body: JSON.stringify(bodies),
      });
    const started = { type: "run.started", kind: "task", task: "x" };
    expect((await post(0, 0, started)).status).toBe(403);
    const first = await post(1, 0, started);
    expect(first.status).toBe(200);
    expect((await store.get("s"))?.epoch).toBe(1);
    expect((await post(1, 0, started)).status).toBe(204);
    expect((await post(1, 2, { type: "text.delta", text: "b" })).headers.get("producer-expected-seq")).toBe("1");
    expect((await post(1, 1, { type: "text.delta", text: "a" })).status).toBe(200);
    expect((await post(1, 2, { type: "nonsense" })).status).toBe(400);
    expect((await post(1, 2, { type: "run.started", kind: "task", task: "y" })).status).toBe(400);
    // Somebody else takes the session over.
    await using writer = await store.openWriter("s");
    const fenced = await post(1, 2, { type: "text.delta", text: "late" });
    expect(fenced.status).toBe(403);
    expect(fenced.headers.get("producer-epoch")).toBe(String(writer.epoch));
    expect((await storedEvents(store, "s")).map(({ type }) => type)).toEqual(["run.started", "text.delta", "final"]);
  });

  it("are written by the published client's producer, each batch once", async () => {
    await store.create({ id: "s", kind: "task" });
    const handle = new DurableStream({ url: `${server.url}/v1/session/s`, contentType: "application/json" });
    const producer = new IdempotentProducer(handle, "agent", { epoch: 1, lingerMs: 0, maxInFlight: 1 });
    producer.append(JSON.stringify({ type: "run.started", kind: "task", task: "x" }));
    for (let word = 0; word < 50; word++) producer.append(JSON.stringify({ type: "text.delta", text: `${word} ` }));
    producer.append(
      JSON.stringify({ type: "final", status: "completed", reason: "completed", usage: {}, durationMs: 1 }),
    );
    await producer.flush();
    const events = await storedEvents(store, "s");
    expect(events.flatMap((event) => (event.type === "text.delta" ? [event.text] : [])).join("")).toBe(
      Array.from({ length: 50 }, (_, word) => `${word} `).join(""),
    );
    expect(events.at(-1)?.type).toBe("final");
    expect(await store.get("s")).toMatchObject({ status: "completed", epoch: 1 });
  });
});

describe("a server that is killed and started again", () => {
  let folder: string;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "skein-serve-"));
  });

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  });

  async function serve(port: number): Promise<{ child: ChildProcess; port: number }> {
    const command = ["dist/cli/main.js", "serve", "--json", "--port", String(port), "--data", folder];
    const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
    return { child, port: (JSON.parse(line) as { port: number }).port };
  }

  it.each(["long-poll", "sse"] as const)(
    "L4: is followed by the published client through a live run, by %s, without a gap or a double",
    // Four starts of the command line, each with its own time on a busy machine.
    { timeout: 180_000 },
    async (live) => {
      let { child, port } = await serve(20_000 + Math.floor(Math.random() * 10_000));
      await using store = await openSqliteStore(join(folder, "skein.db"));
      let goOn = (): void => {};
      const backend = createIterableBackend("slow", async function* slow() {
        for (let word = 0; word < 60; word++) {
          yield { type: "text.delta", text: `${word} ` };
          if (word % 20 === 19)
            await new Promise<void>((resolve) => {
              goOn = resolve;
            });
        }
      });
      const run = runTask({ task: "count", backend, store, sessionId: "s" });
      while ((await store.get("s"))?.openRun === undefined) await new Promise((resolve) => setImmediate(resolve));
      const seen: StoredEvent[] = [];
      let wake = (): void => {};
      // By long-poll the client goes on by itself; an SSE connection that breaks it reports, and is asked again with its last offset.
      const url = `http://127.0.0.1:${port}/v1/session/s`;
      const leave = new AbortController();
      let opened = 0;
      const follow = async (): Promise<void> => {
        for (let offset = "-1"; !leave.signal.aborted;) {
          opened += 1;
          const reader = await stream<StoredEvent>({ url, live, offset, signal: leave.signal });
          reader.subscribeJson((batch) => {
            seen.push(...batch.items);
            offset = batch.offset;
            wake();
          });
          await reader.closed.catch(() => {});
        }
      };
      const following = follow().catch(() => {});
      const texts = (): number => seen.filter(({ type }) => type === "text.delta").length;
      const reached = async (done: () => boolean): Promise<void> => {
        while (!done())
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      };
      for (const part of [1, 2, 3]) {
        await reached(() => texts() === part * 20);
        const exit = once(child, "exit");
        child.kill("SIGKILL");
        await exit;
        goOn();
        ({ child, port } = await serve(port));
      }
      await run;
      await reached(() => seen.some(({ type }) => type === "final"));
      leave.abort();
      await following;
      expect(seen).toEqual(await storedEvents(store, "s"));
      if (live === "long-poll") expect(opened).toBe(1);
    },
  );
});
