import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createIterableBackend } from "../backend/iterable/index.ts";
import type { StoredEvent } from "../event/event.ts";
import { AccessTokens, createApp } from "../server/index.ts";
import type { SkeinApp, TaskDefinition } from "../server/index.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import type { SessionStore } from "../store/session-store.ts";
import { createClient } from "./create-client.ts";
import { HttpProblem } from "./http-problem.ts";
import { SILENCE_MS } from "./read-event-stream.ts";

let store: SessionStore;
let app: SkeinApp;

const count: TaskDefinition = {
  backend: createIterableBackend("count", function* count({ prompt }) {
    for (let word = 0; word < Number(prompt); word++) yield { type: "text.delta", text: `${word}\n` };
  }),
};
const wait: TaskDefinition = {
  backend: createIterableBackend("wait", async function* wait(_input, { signal }) {
    yield { type: "text.delta", text: "waiting" };
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }),
};

beforeEach(async () => {
  store = await openMemoryStore();
  app = createApp({ store, tasks: { count, wait } });
});

afterEach(async () => {
  await app.close();
  await store.close();
});

const toApp = (input: Parameters<typeof fetch>[0], init?: RequestInit): Promise<Response> =>
  Promise.resolve(app.request(input as string, init));

async function storedEvents(sessionId: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.read(sessionId)) events.push(event);
  return events;
}

it("starts, follows, lists, forks and aborts", async () => {
  const client = createClient({ url: "http://localhost/", fetch: toApp });
  const run = await client.start("count", { prompt: "3" });
  const seen: StoredEvent[] = [];
  for await (const event of client.follow(run.sessionId, { until: "final" })) seen.push(event);
  expect(seen).toEqual(await storedEvents(run.sessionId));
  for await (const event of client.follow(run.sessionId, { until: "final", after: seen.length })) seen.push(event);
  expect(seen).toEqual(await storedEvents(run.sessionId));
  expect((await client.list({ label: "skein.run=count", parentId: null })).sessions).toMatchObject([
    { id: run.sessionId },
  ]);
  const fork = await client.fork(run.sessionId, { atSeq: 2 });
  expect(fork.forkedFrom).toEqual({ sessionId: run.sessionId, atSeq: 2 });
  await app.settled();
  expect(await client.resume(run.sessionId, { prompt: "1" })).toMatchObject({ sessionId: run.sessionId });
  const waiting = await client.start("wait", { prompt: "" });
  expect(await client.abort(waiting.sessionId)).toMatchObject({ status: "aborted" });
  await expect(client.get("nobody")).rejects.toMatchObject({ code: "session_unknown", status: 404 });
  await expect(client.start("nothing")).rejects.toBeInstanceOf(HttpProblem);
});

it(
  "L4: follows without a gap or a double through connections that break in the middle of events",
  { timeout: 120_000 },
  async () => {
    const run = await createClient({ url: "http://localhost", fetch: toApp }).start("count", { prompt: "2" });
    await app.settled();
    const wanted = await storedEvents(run.sessionId);
    const size = JSON.stringify(wanted).length + 200;
    for (let at = 0; at < size; at += 13) {
      let left = at;
      const breaking = async (input: Parameters<typeof fetch>[0], init?: RequestInit): Promise<Response> => {
        const answer = await toApp(input, init);
        if (left < 0) return answer;
        const limit = left;
        left = -1;
        let passed = 0;
        const cut = new TransformStream<Uint8Array, Uint8Array>({
          transform(chunk, controller) {
            if (passed + chunk.byteLength > limit) {
              controller.enqueue(chunk.subarray(0, limit - passed));
              controller.error(new TypeError("network error"));
            } else controller.enqueue(chunk);
            passed += chunk.byteLength;
          },
        });
        return new Response((answer.body as ReadableStream<Uint8Array>).pipeThrough(cut), answer);
      };
      const seen: StoredEvent[] = [];
      const leave = new AbortController();
      for await (const event of createClient({ url: "http://localhost", fetch: breaking }).follow(run.sessionId, {
        signal: leave.signal,
      })) {
        seen.push(event);
        if (event.type === "final") break;
      }
      expect({ at, seen }).toEqual({ at, seen: wanted });
    }
  },
);

it("leaves a stream whose signal fired while its answer was on the way", async () => {
  await store.create({ id: "quiet", kind: "task" });
  const leave = new AbortController();
  const deaf = async (input: Parameters<typeof fetch>[0]): Promise<Response> => {
    const answer = await toApp(input);
    leave.abort();
    return answer;
  };
  const client = createClient({ url: "http://localhost", fetch: deaf });
  for await (const event of client.follow("quiet", { signal: leave.signal })) expect(event).toBeUndefined();
});

it("sends a request whose answer was lost again, and one run comes of it", async () => {
  let lost = 2;
  const losing = async (input: Parameters<typeof fetch>[0], init?: RequestInit): Promise<Response> => {
    const answer = await toApp(input, init);
    lost -= 1;
    if (lost >= 0) throw new TypeError("fetch failed");
    return answer;
  };
  const run = await createClient({ url: "http://localhost", fetch: losing }).start("count", { prompt: "1" });
  expect((await store.list()).map(({ id }) => id)).toEqual([run.sessionId]);
});

it("sends its token, and does not try again what is refused", async () => {
  const tokens = new AccessTokens();
  const { token, grant } = tokens.issue({ scope: "read" });
  await app.close();
  app = createApp({ store, tasks: { count }, access: { tokens } });
  const client = createClient({ url: "http://localhost", fetch: toApp, token: () => token });
  expect((await client.list()).sessions).toEqual([]);
  await expect(client.start("count", { prompt: "1" })).rejects.toMatchObject({ status: 403, code: "token_refused" });
  tokens.revoke(grant.id);
  await expect(client.list()).rejects.toMatchObject({ status: 401, code: "token_missing" });
  await expect(async () => {
    for await (const _event of client.follow("x")) continue;
  }).rejects.toMatchObject({ status: 401 });
});

it("L4: goes on by another connection where one is silent for too long, and by the same where it says something in time", async () => {
  const run = await createClient({ url: "http://localhost", fetch: toApp }).start("count", { prompt: "1" });
  await app.settled();
  const wanted = await storedEvents(run.sessionId);
  let say = (_text: string): void => {};
  let connections = 0;
  const half = async (input: Parameters<typeof fetch>[0], init?: RequestInit): Promise<Response> => {
    if (!String(input).includes("/live") || connections++ > 0) return toApp(input, init);
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        say = (text) => controller.enqueue(new TextEncoder().encode(text));
        say(`data: ${JSON.stringify(wanted[0])}\n\n`);
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const states: string[] = [];
    const client = createClient({ url: "http://localhost", fetch: half });
    const events = client.follow(run.sessionId, { until: "final", onConnection: (state) => states.push(state) });
    const iterator = events[Symbol.asyncIterator]();
    const seen = [(await iterator.next()).value as StoredEvent];
    const next = iterator.next();
    await vi.advanceTimersByTimeAsync(SILENCE_MS - 1);
    say(": \n\n");
    await vi.advanceTimersByTimeAsync(SILENCE_MS - 1);
    expect(states).toEqual(["open"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(states).toEqual(["open", "lost"]);
    await vi.advanceTimersByTimeAsync(1000);
    seen.push((await next).value as StoredEvent);
    for (let one = await iterator.next(); one.done !== true; one = await iterator.next()) seen.push(one.value);
    expect(seen).toEqual(wanted);
    expect(states).toEqual(["open", "lost", "open"]);
  } finally {
    vi.useRealTimers();
  }
});
