import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, it } from "vitest";
import { StoreError } from "../../errors.ts";
import type { StoredEvent } from "../../event/event.ts";
import { streamTask } from "../../stream/stream-task.ts";
import { armKillPoint } from "../../testing/kill-points.ts";
import type { SessionStore } from "../session-store.ts";
import { openSqliteStore } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "skein-flush-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => void delete process.env["SKEIN_KILL_POINT"]);

/** Opens a store whose flush fails once, at the n-th transaction that appends. The thread that writes takes its environment from here. */
async function openFailing(path: string, at: number): Promise<SessionStore> {
  Object.assign(process.env, armKillPoint("after-append", { at, action: "fail" }));
  const store = await openSqliteStore(path);
  delete process.env["SKEIN_KILL_POINT"];
  return store;
}

async function readLines(store: SessionStore, id: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const event of store.read(id)) lines.push(JSON.stringify(event));
  return lines;
}

const delta = (text: string): { type: "text.delta"; text: string } => ({ type: "text.delta", text });

it("L8: a flush that fails once rejects its append, and the store refuses until it is opened again", async () => {
  const path = join(folder, "once.db");
  const store = await openFailing(path, 3);
  await store.create({ id: "a", kind: "task" });
  await store.create({ id: "b", kind: "task" });
  const writer = await store.openWriter("a");
  const other = await store.openWriter("b");
  const stored = [
    ...(await writer.append([{ type: "run.started", kind: "task", task: 1 }])),
    ...(await writer.append([delta("kept")])),
  ];
  await expect(writer.append([delta("lost")])).rejects.toMatchObject({ name: "StoreError", code: "store_failed" });
  expect(writer.lost?.reason).toBeInstanceOf(StoreError);
  // The disk is well again, but nobody knows what reached it.
  await expect(writer.append([delta("later")])).rejects.toMatchObject({ code: "store_closed" });
  await expect(other.append([{ type: "run.started", kind: "task", task: 1 }])).rejects.toMatchObject({
    code: "store_closed",
  });
  await expect(store.create({ id: "c", kind: "task" })).rejects.toMatchObject({ code: "store_closed" });
  await expect(store.putBlob(Buffer.from("x"))).rejects.toMatchObject({ code: "store_closed" });
  expect(await readLines(store, "a")).toEqual(stored.map((event) => JSON.stringify(event)));
  await store.close();

  await using again = await openSqliteStore(path);
  expect(await readLines(again, "a")).toEqual(stored.map((event) => JSON.stringify(event)));
  await using next = await again.openWriter("a");
  expect(await next.append([{ type: "run.started", kind: "task", task: 2 }])).toMatchObject([{ seq: 4 }]);
});

it("L1, L8: of many appends on their way when a flush fails, exactly those that were acknowledged are in the log", async () => {
  for (const at of [1, 2, 5]) {
    const path = join(folder, `many-${at}.db`);
    const store = await openFailing(path, at);
    const ids = Array.from({ length: 16 }, (_, index) => `s-${index}`);
    for (const id of ids) await store.create({ id, kind: "task" });
    const writers = await Promise.all(ids.map((id) => store.openWriter(id)));
    const acknowledged = await Promise.all(
      writers.map(async (writer) => {
        const lines: string[] = [];
        for (let round = 0; round < 20; round++) {
          const appends = [
            writer.append([{ type: "run.started", kind: "task", task: round }]),
            writer.append([delta("x".repeat(2000)), delta("y")]),
          ];
          for (const result of await Promise.allSettled(appends))
            if (result.status === "fulfilled") lines.push(...result.value.map((event) => JSON.stringify(event)));
        }
        return lines;
      }),
    );
    await store.close();
    await using again = await openSqliteStore(path);
    for (const [index, id] of ids.entries()) expect(await readLines(again, id)).toEqual(acknowledged[index]);
  }
});

it("L1, L8: a stream whose flush fails rejects with StoreError, and all that it delivered is in the log", async () => {
  const path = join(folder, "stream.db");
  const store = await openFailing(path, 4);
  const stopped: string[] = [];
  const delivered: StoredEvent[] = [];
  const backend = {
    kind: "test",
    async *stream() {
      for (let index = 0; ; index++) {
        await new Promise((resolve) => setImmediate(resolve));
        yield delta(`${index}`);
      }
    },
    stop: async (_session: unknown, reason: string) => void stopped.push(reason),
  };
  const run = async (): Promise<void> => {
    for await (const event of streamTask({ store, backend, task: "fail", sessionId: "s" })) delivered.push(event);
  };
  await expect(run()).rejects.toMatchObject({ name: "StoreError" });
  expect(stopped).toEqual(["failed"]);
  await store.close();
  await using again = await openSqliteStore(path);
  expect((await readLines(again, "s")).slice(0, delivered.length)).toEqual(
    delivered.map((event) => JSON.stringify(event)),
  );
  await using _writer = await again.openWriter("s");
  expect(await again.get("s")).toMatchObject({ status: "interrupted" });
});
