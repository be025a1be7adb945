import { expect, it } from "vitest";
import { FencedError } from "../../errors.ts";
import { beginOf } from "../../store/begin-session.ts";
import type { BeginSession } from "../../store/begin-session.ts";
import { openMemoryStore } from "../../store/memory/index.ts";
import { StoreFence } from "./store-fence.ts";

const STARTED = { type: "run.started", kind: "task", task: 1 } as const;

it("L5: a job's store begins sessions in one step, and writes nothing more once it is cut", async () => {
  await using store = await openMemoryStore();
  const fence = new StoreFence(store);
  const begin = beginOf(fence.store) as BeginSession;
  await fence.store.create({ id: "loop", kind: "loop" });
  const under = await fence.store.openWriter("loop");
  await under.append([STARTED]);
  const first = { bodies: [STARTED], runId: "run_1", under };
  const { writer } = await begin({ id: "a", kind: "task" }, first);
  await writer.append([{ type: "text.delta", text: "a" }]);
  const cut = new FencedError("The job belongs to another worker by now.");
  fence.cut(cut);
  expect(writer.lost?.reason).toBe(cut);
  await expect(writer.append([{ type: "text.delta", text: "b" }])).rejects.toBe(cut);
  await expect(begin({ id: "b", kind: "task" }, first)).rejects.toBe(cut);
  expect((await store.get("a"))?.lastSeq).toBe(2);
  expect(await store.get("b")).toBeUndefined();
});

it("L5: begins nothing under a writer that another one has replaced", async () => {
  await using store = await openMemoryStore();
  const { store: fenced } = new StoreFence(store);
  await fenced.create({ id: "loop", kind: "loop" });
  const under = await fenced.openWriter("loop");
  await store.openWriter("loop");
  const begin = beginOf(fenced) as BeginSession;
  await expect(begin({ id: "a", kind: "task" }, { bodies: [STARTED], runId: "run_1", under })).rejects.toMatchObject({
    code: "fenced",
  });
  expect(await store.get("a")).toBeUndefined();
});
