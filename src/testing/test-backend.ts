import { describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import type { StoredEvent } from "../event/event.ts";
import { isBackendEventType } from "../event/event.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import { streamTask } from "../stream/stream-task.ts";

/**
 * A backend under test. Each function gives one that behaves so, whatever its prompt is.
 *
 * @experimental
 */
export interface BackendKit {
  readonly name: string;
  /** One that says `hello` and completes. */
  readonly hello: () => Backend | Promise<Backend>;
  /** One that says something and then fails. */
  readonly failing: () => Backend | Promise<Backend>;
  /** One that says something and then goes on for ever, until its signal fires. */
  readonly endless: () => Backend | Promise<Backend>;
  /** True where a later run of the session knows what an earlier one was told: `remembering` then says in its second run what the first was prompted. */
  readonly remembering?: () => Backend | Promise<Backend>;
}

/**
 * The conformance kit of the backend port: whoever writes a backend calls it in a test file of vitest. Everything is looked at through a stream
 * over a memory store, as a user sees it.
 *
 * @experimental
 */
export function testBackend(kit: BackendKit): void {
  describe(`${kit.name} as a backend`, () => {
    it("L2: completes with one final, after what it yielded", async () => {
      const events = await collect(await kit.hello());
      expect(textIn(events)).toBe("hello");
      expect(events[0]?.type).toBe("run.started");
      expect(events.filter(({ type }) => type === "final")).toEqual([events.at(-1)]);
      expect(events.at(-1)).toMatchObject({ type: "final", status: "completed", text: "hello" });
    });

    it("yields nothing but a backend's own events, and usage without made-up zeros", async () => {
      const events = await collect(await kit.hello());
      const own = events.slice(events.findIndex(({ type }) => type === "backend.started") + 1);
      const until = own.findIndex(({ type }) => type === "backend.ended");
      for (const event of own.slice(0, until)) expect(isBackendEventType(event.type), event.type).toBe(true);
      const reported = events.filter((event) => event.type === "usage.reported");
      for (const { inputTokens, outputTokens } of reported)
        expect([inputTokens, outputTokens].every((count) => count === undefined || count >= 0)).toBe(true);
      if (reported.length === 0) expect(events.at(-1)).toMatchObject({ usage: {} });
    });

    it("L3: fails with its own error, after what it had yielded", async () => {
      const events = await collect(await kit.failing());
      const final = events.at(-1);
      expect(textIn(events)).not.toBe("");
      expect(final).toMatchObject({ type: "final", status: "failed" });
      expect(final?.type === "final" && final.error?.message).toBeTruthy();
      expect(events.some(({ type }) => type === "backend.failed")).toBe(true);
    });

    it("L6: ends soon when it is aborted, and keeps what it had yielded", async () => {
      const controller = new AbortController();
      const events = await collect(await kit.endless(), {
        signal: controller.signal,
        onText: () => controller.abort(),
      });
      expect(textIn(events)).not.toBe("");
      expect(events.at(-1)).toMatchObject({ type: "final", status: "aborted" });
    });

    it("starts from the beginning in each session", async () => {
      const backend = await kit.hello();
      const store = await openMemoryStore();
      for (const sessionId of ["a", "b"]) expect(textIn(await collect(backend, { store, sessionId }))).toBe("hello");
    });

    it("goes on in its session, and is refused in that of another kind", async () => {
      const store = await openMemoryStore();
      const backend = await (kit.remembering ?? kit.hello)();
      await collect(backend, { store, sessionId: "s", prompt: "remember zebra" });
      const again = await collect(backend, { store, sessionId: "s", resume: true, prompt: "recall" });
      expect(again.at(-1)).toMatchObject({ type: "final", status: "completed" });
      if (kit.remembering !== undefined) expect(textIn(again)).toContain("zebra");
      const other: Backend = { kind: `not-${backend.kind}`, async *stream() {} };
      await expect(collect(other, { store, sessionId: "s", resume: true })).rejects.toMatchObject({
        code: "session_mismatch",
      });
    });
  });
}

interface CollectOptions {
  readonly store?: Awaited<ReturnType<typeof openMemoryStore>>;
  readonly sessionId?: string;
  readonly resume?: boolean;
  readonly prompt?: string;
  readonly signal?: AbortSignal;
  readonly onText?: () => void;
}

async function collect(backend: Backend, options: CollectOptions = {}): Promise<StoredEvent[]> {
  const { onText, prompt = "say hello", ...rest } = options;
  const events: StoredEvent[] = [];
  for await (const event of streamTask({ task: prompt, backend, ...rest })) {
    events.push(event);
    if (event.type === "text.delta") onText?.();
  }
  return events;
}

function textIn(events: readonly StoredEvent[]): string {
  return events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");
}
