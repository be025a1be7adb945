import { describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { FencedError, SkeinError, StoreError } from "../errors.ts";
import type { EventBody, StoredEvent } from "../event/event.ts";
import { createRedactor } from "../event/redaction/redactor.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import type { SessionStore, SessionWriter } from "../store/session-store.ts";
import { runTask, streamTask } from "./stream-task.ts";

const hello: EventBody[] = [
  { type: "text.delta", text: "hel" },
  { type: "text.delta", text: "lo" },
];

function backendOf(stream: Backend["stream"], more: Partial<Backend> = {}): Backend {
  return { kind: "test", stream, ...more };
}

async function* yieldAll(bodies: readonly EventBody[]): AsyncGenerator<EventBody> {
  yield* bodies;
}

function never(): Promise<never> {
  return new Promise(() => {});
}

async function collect(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const typesOf = (events: readonly StoredEvent[]): string[] => events.map((event) => event.type);

/** A store whose appends fail from the n-th on, at the port: what a full disk looks like from the stream. */
function failingStore(store: SessionStore, failFrom: number, error: () => Error): SessionStore {
  let appends = 0;
  const wrapWriter = (writer: SessionWriter): SessionWriter =>
    new Proxy(writer, {
      get(target, key) {
        if (key === "append") {
          return async (...args: Parameters<SessionWriter["append"]>) => {
            if (++appends >= failFrom) throw error();
            return target.append(...args);
          };
        }
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  return new Proxy(store, {
    get(target, key) {
      if (key === "openWriter") {
        return async (...args: Parameters<SessionStore["openWriter"]>) => wrapWriter(await target.openWriter(...args));
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

describe("streamTask", () => {
  it("L2: yields a run from its run.started to its one final", async () => {
    const events = await collect(streamTask({ task: "greet", backend: backendOf(() => yieldAll(hello)) }));
    expect(typesOf(events)).toEqual([
      "run.started",
      "session.created",
      "backend.started",
      "text.delta",
      "text.delta",
      "backend.ended",
      "final",
    ]);
    expect(events.at(-1)).toMatchObject({ status: "completed", reason: "completed", text: "hello", usage: {} });
    expect(events.map((event) => event.seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it("L1: never yields an event that the store does not have yet", async () => {
    const store = await openMemoryStore();
    for await (const event of streamTask({
      task: "x",
      backend: backendOf(() => yieldAll(hello)),
      store,
      sessionId: "s",
    })) {
      const stored = await collect(store.read("s", { after: event.seq - 1, limit: 1 }));
      expect(stored).toEqual([event]);
    }
  });

  it("L3: stores backend.failed before stop is called, and keeps the failure of stop beside it", async () => {
    const store = await openMemoryStore();
    let seenByStop: string[] = [];
    const backend = backendOf(
      async function* () {
        yield* hello;
        throw new TypeError("the original failure");
      },
      {
        async stop() {
          seenByStop = typesOf(await collect(store.read("s")));
          throw new Error("clean-up failed");
        },
      },
    );
    const result = await runTask({ task: "x", backend, store, sessionId: "s" });
    expect(seenByStop.at(-1)).toBe("backend.failed");
    expect(result).toMatchObject({
      status: "failed",
      reason: "backend_failed",
      error: { name: "TypeError", message: "the original failure" },
      suppressed: [{ message: "clean-up failed" }],
    });
  });

  it("L3: a failing stop never turns a completed run into a failed one", async () => {
    const backend = backendOf(() => yieldAll(hello), { stop: () => Promise.reject(new Error("late")) });
    expect(await runTask({ task: "x", backend })).toMatchObject({
      status: "completed",
      suppressed: [{ message: "late" }],
    });
  });

  it("L2: a stop that hangs is left behind and recorded", async () => {
    const backend = backendOf(() => yieldAll(hello), { stop: never });
    const result = await runTask({ task: "x", backend, stopTimeoutMs: 20 });
    expect(result).toMatchObject({ status: "completed", suppressed: [{ code: "backend_stop_timeout" }] });
  });

  it("L2: a backend that hangs past its deadline fails with deadline_exceeded", async () => {
    let aborted = false;
    const backend = backendOf(async function* (_input, { signal }) {
      signal.addEventListener("abort", () => (aborted = true));
      yield* hello;
      await never();
    });
    const result = await runTask({ task: "x", backend, deadlineMs: 30, stopTimeoutMs: 30 });
    expect(result).toMatchObject({
      status: "failed",
      reason: "deadline_exceeded",
      error: { code: "deadline_exceeded" },
      text: "hello",
    });
    expect(aborted).toBe(true);
  });

  it("L6: an abort is an outcome, with what was produced until then", async () => {
    const controller = new AbortController();
    const reasons: string[] = [];
    const backend = backendOf(
      async function* () {
        yield* hello;
        yield { type: "usage.reported", inputTokens: 3 };
        controller.abort();
        await never();
      },
      { stop: async (_session, reason) => void reasons.push(reason) },
    );
    const events = await collect(streamTask({ task: "x", backend, signal: controller.signal, stopTimeoutMs: 30 }));
    expect(events.at(-1)).toMatchObject({ type: "final", status: "aborted", text: "hello", usage: { inputTokens: 3 } });
    expect(events.filter((event) => event.type === "final")).toHaveLength(1);
    expect(reasons).toEqual(["aborted"]);
  });

  it("L6: an abort before the start never touches the backend", async () => {
    let touched = false;
    const backend = backendOf(() => yieldAll(hello), {
      start: async () => ((touched = true), {}),
      stop: async () => void (touched = true),
    });
    expect(await runTask({ task: "x", backend, signal: AbortSignal.abort() })).toMatchObject({ status: "aborted" });
    expect(touched).toBe(false);
  });

  it("L6: leaving the iterator aborts the run and awaits its final being stored", async () => {
    const store = await openMemoryStore();
    let stopped = 0;
    const backend = backendOf(
      async function* () {
        for (let index = 0; ; index++) yield { type: "text.delta", text: `${index} ` };
      },
      { stop: async () => void stopped++ },
    );
    for await (const event of streamTask({ task: "x", backend, store, sessionId: "s" })) if (event.seq === 10) break;
    const events = await collect(store.read("s"));
    expect(events.at(-1)).toMatchObject({ type: "final", status: "aborted", reason: "consumer_left" });
    expect(stopped).toBe(1);
  });

  it("L8: a store that fails rejects with StoreError, which carries the run's own failure; nothing unstored is delivered", async () => {
    const inner = await openMemoryStore();
    const store = failingStore(inner, 3, () => new StoreError("store_full", "No space is left."));
    let stopped = 0;
    const backend = backendOf(
      async function* () {
        yield* hello;
        throw new Error("the run's own failure");
      },
      { stop: () => (stopped++, Promise.reject(new Error("stop failed"))) },
    );
    const seen: StoredEvent[] = [];
    const failure = await (async () => {
      for await (const event of streamTask({ task: "x", backend, store, sessionId: "s" })) seen.push(event);
    })().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StoreError);
    const messages = (failure as StoreError).suppressed.map((error) => (error as Error).message);
    expect((failure as StoreError).code).toBe("store_full");
    expect(messages).toContain("stop failed");
    expect(stopped).toBe(1);
    expect(await collect(inner.read("s"))).toEqual(seen);
  });

  it("L3, L8: says the same in all eight combinations of a failing backend, stop and store", async () => {
    for (let mask = 0; mask < 8; mask++) {
      const [backendFails, stopFails, storeFails] = [mask & 1, mask & 2, mask & 4].map((bit) => bit !== 0);
      const backend = backendOf(
        async function* () {
          yield* hello;
          // The store fails on the append after the deltas: let those be stored first.
          await new Promise((resolve) => setImmediate(resolve));
          if (backendFails) throw new Error("backend");
        },
        { stop: async () => (stopFails ? Promise.reject(new Error("stop")) : undefined) },
      );
      const inner = await openMemoryStore();
      const store = storeFails ? failingStore(inner, 4, () => new StoreError("store_full", "full")) : inner;
      const outcome = await runTask({ task: "x", backend, store }).catch((error: unknown) => error);
      if (storeFails) {
        expect(outcome).toBeInstanceOf(StoreError);
        const messages = (outcome as StoreError).suppressed.map((error) => (error as Error).message);
        expect(messages).toEqual([...(backendFails ? ["backend"] : []), ...(stopFails ? ["stop"] : [])]);
      } else {
        expect(outcome).toMatchObject({ status: backendFails ? "failed" : "completed" });
        expect((outcome as { error?: Error }).error?.message).toBe(backendFails ? "backend" : undefined);
        expect((outcome as { suppressed?: Error[] }).suppressed?.[0]?.message).toBe(stopFails ? "stop" : undefined);
      }
    }
  });

  it("L5: a writer that was fenced stops its backend and rejects with FencedError", async () => {
    const store = await openMemoryStore();
    let aborted = false;
    const backend = backendOf(async function* (_input, { signal, sessionId }) {
      signal.addEventListener("abort", () => (aborted = true));
      yield* hello;
      await using other = await store.openWriter(sessionId);
      expect(other.epoch).toBeGreaterThan(1);
      for (;;) yield { type: "text.delta", text: "into the void" };
    });
    await expect(runTask({ task: "x", backend, store, sessionId: "s", stopTimeoutMs: 30 })).rejects.toBeInstanceOf(
      FencedError,
    );
    const events = await collect(store.read("s"));
    expect(events.filter((event) => event.type === "final")).toMatchObject([{ status: "interrupted" }]);
    expect(events.at(-1)?.type).toBe("final");
    expect(aborted).toBe(true);
  });

  it("L9: the stored and the delivered event carry the marker", async () => {
    const store = await openMemoryStore();
    const redact = createRedactor({ secrets: [{ name: "KEY", value: "s3cr3t-s3cr3t" }] });
    const backend = backendOf(async function* () {
      yield { type: "text.delta", text: "it is s3cr3t-" };
      yield { type: "text.delta", text: "s3cr3t." };
      throw new Error("bad key s3cr3t-s3cr3t");
    });
    const events = await collect(streamTask({ task: "use s3cr3t-s3cr3t", backend, store, sessionId: "s", redact }));
    expect(JSON.stringify(events)).not.toContain("s3cr3t-s3cr3t");
    expect(events.at(-1)).toMatchObject({
      text: "it is [redacted:KEY].",
      error: { message: "bad key [redacted:KEY]" },
    });
    expect(await collect(store.read("s"))).toEqual(events);
  });

  it("L10: tokens and cost that nobody reported are absent from final", async () => {
    const result = await runTask({
      task: "x",
      backend: backendOf(() => yieldAll([{ type: "usage.reported", outputTokens: 2 }])),
    });
    expect(result.usage).toEqual({ outputTokens: 2 });
  });

  it("gives resume the history and the token, and refuses what does not fit", async () => {
    const store = await openMemoryStore();
    const first = backendOf(() => yieldAll(hello), { start: async () => ({ resumeToken: "t1" }) });
    await runTask({ task: "one", backend: first, store, sessionId: "s" });
    let seen: unknown;
    const second = backendOf(() => yieldAll(hello), {
      async resume(session, _input, context) {
        seen = {
          token: context.resumeToken,
          history: typesOf(await collect(context.history())),
          lastSeq: session.lastSeq,
        };
        return {};
      },
    });
    const result = await runTask({ task: "two", backend: second, store, sessionId: "s", resume: true });
    expect(result.status).toBe("completed");
    expect(seen).toMatchObject({ token: "t1", lastSeq: 7 });
    expect((seen as { history: string[] }).history).toHaveLength(7);
    const code = (options: Partial<Parameters<typeof runTask>[0]>): Promise<unknown> =>
      runTask({ task: "x", backend: first, store, ...options }).catch((error: unknown) =>
        SkeinError.is(error) ? error.code : error,
      );
    expect(await code({ sessionId: "s" })).toBe("session_exists");
    expect(await code({ sessionId: "none", resume: true })).toBe("session_unknown");
    expect(await code({ sessionId: "s", resume: true, backend: { ...first, kind: "other" } })).toBe("session_mismatch");
    await using writer = await store.openWriter("s");
    expect(await code({ sessionId: "s", resume: true })).toBe("session_busy");
    expect(writer.epoch).toBeGreaterThan(0);
    expect(
      await runTask({ task: "x", backend: first, store, sessionId: "s", resume: true, takeOver: true }),
    ).toMatchObject({
      status: "completed",
    });
  });

  it("fails a backend that yields what only the stream writes, or what is no event", async () => {
    const cases: [unknown, string][] = [
      [{ type: "final", status: "completed", reason: "mine", usage: {}, durationMs: 0 }, "event_reserved"],
      [{ type: "run.started", kind: "task", task: "x" }, "event_reserved"],
      [{ type: "final" }, "event_reserved"],
      [{ type: "nonsense" }, "event_invalid"],
      [{ type: "text.delta", text: 7 }, "event_invalid"],
      [{ type: "custom", name: "big", data: 1n }, "event_not_json"],
      [undefined, "event_not_json"],
    ];
    for (const [body, code] of cases) {
      const result = await runTask({ task: "x", backend: backendOf(() => yieldAll([...hello, body as EventBody])) });
      expect(result).toMatchObject({ status: "failed", reason: code, text: "hello" });
    }
  });

  it("drops what a backend yields after the run's end", async () => {
    const store = await openMemoryStore();
    const controller = new AbortController();
    let release = (): void => {};
    const backend = backendOf(async function* () {
      yield* hello;
      controller.abort();
      await new Promise<void>((resolve) => (release = resolve));
      yield { type: "text.delta", text: "too late" };
    });
    await runTask({ task: "x", backend, store, sessionId: "s", signal: controller.signal, stopTimeoutMs: 20 });
    release();
    await new Promise((resolve) => setImmediate(resolve));
    const events = await collect(store.read("s"));
    expect(events.at(-1)?.type).toBe("final");
    expect(JSON.stringify(events)).not.toContain("too late");
  });

  it("a slow consumer slows its own backend", async () => {
    let pulled = 0;
    const backend = backendOf(async function* () {
      for (;;) {
        pulled++;
        yield { type: "text.delta", text: "x" };
      }
    });
    const stream = streamTask({ task: "x", backend, stopTimeoutMs: 20 })[Symbol.asyncIterator]();
    await stream.next();
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(pulled).toBeLessThan(2000);
    await stream.return?.();
  });

  it("refuses options that cannot be", async () => {
    const backend = backendOf(() => yieldAll(hello));
    await expect(runTask({ task: 7 as unknown as string, backend })).rejects.toMatchObject({ code: "invalid_option" });
    await expect(runTask({ task: "x", backend, deadlineMs: -1 })).rejects.toMatchObject({ code: "invalid_option" });
    await expect(runTask({ task: "x", backend, resume: true })).rejects.toMatchObject({ code: "invalid_option" });
    await expect(runTask({ task: "x", backend: {} as Backend })).rejects.toMatchObject({ code: "invalid_option" });
  });
});
