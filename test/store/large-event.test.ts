import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { createRedactor, streamTask } from "../../dist/index.js";
import type { Backend, EventBody, StoredEvent } from "../../dist/index.js";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";

const folder = mkdtempSync(join(tmpdir(), "skein-large-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const KEY = "hunter2-hunter2-hunter2";
const redact = createRedactor({ secrets: [KEY] });
const toolEnded = (result: string): EventBody => ({
  type: "tool.ended",
  toolCallId: "1",
  toolName: "build",
  status: "completed",
  result,
});

it("L1: stores and delivers a large event without its secrets, while another session's events go on between its steps", async () => {
  await using store = await openSqliteStore(join(folder, "beside.db"));
  const text = `${'a "line"\n'.repeat(150_000)}${KEY}${"b".repeat(2_000_000)}`;
  let isYielded = false;
  let isSeen = false;
  let besides = 0;
  let hear = (): void => {};
  const small: Backend = {
    kind: "test",
    async *stream() {
      while (!isSeen) {
        const heard = new Promise<void>((resolve) => (hear = resolve));
        yield { type: "text.delta", text: "small" };
        await heard;
      }
    },
  };
  const large: Backend = {
    kind: "test",
    async *stream() {
      isYielded = true;
      yield toolEnded(text);
      yield { type: "text.delta", text: "after." };
    },
  };
  const beside = (async () => {
    for await (const event of streamTask({ store, backend: small, task: "small" })) {
      if (event.type !== "text.delta") continue;
      if (isYielded && !isSeen) besides += 1;
      hear();
    }
  })();
  const events: StoredEvent[] = [];
  for await (const event of streamTask({ store, backend: large, task: "large", sessionId: "large", redact })) {
    events.push(event);
    if (event.type === "tool.ended") isSeen = true;
  }
  await beside;
  expect(besides).toBeGreaterThan(1);
  expect(events.map(({ type }) => type).slice(3)).toEqual(["tool.ended", "text.delta", "backend.ended", "final"]);
  const stored: StoredEvent[] = [];
  for await (const event of store.read("large")) stored.push(event);
  expect(JSON.stringify(stored) === JSON.stringify(events)).toBe(true);
  expect((stored[3] as { result?: string }).result === text.replace(KEY, "[redacted:secret]")).toBe(true);
});

it("L2: an abort in the middle of a large event leaves it out, and the run's end behind what was stored", async () => {
  await using store = await openSqliteStore(join(folder, "aborted.db"));
  const abort = new AbortController();
  const backend: Backend = {
    kind: "test",
    async *stream() {
      yield { type: "text.delta", text: "before." };
      setImmediate(() => abort.abort());
      yield toolEnded("- sk".repeat(2_000_000));
    },
  };
  const types: string[] = [];
  for await (const { type } of streamTask({ store, backend, task: "large", signal: abort.signal })) types.push(type);
  expect(types.slice(3)).toEqual(["text.delta", "backend.ended", "final"]);
});
