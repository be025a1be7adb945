import { afterEach, beforeEach, expect, it } from "vitest";
import type { EventBody } from "../../event/event.ts";
import { openMemoryStore } from "../../store/memory/index.ts";
import type { Session, SessionStore, SessionWriter } from "../../store/session-store.ts";
import { SessionFolds } from "./session-folds.ts";

let store: SessionStore;
/** How many events each read of the store has given. */
let reads: number[];
let counted: SessionStore;
const writers = new Map<string, SessionWriter>();

beforeEach(async () => {
  store = await openMemoryStore();
  reads = [];
  counted = new Proxy(store, {
    get(target, name) {
      if (name !== "read") return Reflect.get(target, name, target);
      return async function* read(...call: Parameters<SessionStore["read"]>) {
        const at = reads.push(0) - 1;
        for await (const event of target.read(...call)) {
          reads[at] = (reads[at] ?? 0) + 1;
          yield event;
        }
      };
    },
  });
});

afterEach(async () => {
  writers.clear();
  await store.close();
});

async function write(id: string, bodies: readonly EventBody[]): Promise<Session> {
  if ((await store.get(id)) === undefined) await store.create({ id, kind: "task" });
  // One writer for all of a session: a second one would close the run that is open.
  const writer = writers.get(id) ?? (await store.openWriter(id));
  writers.set(id, writer);
  await writer.append([...bodies]);
  return (await store.get(id)) as Session;
}

const begin: EventBody = { type: "run.started", kind: "task", task: "count" };
const end: EventBody = { type: "final", status: "completed", reason: "completed", usage: {}, durationMs: 1 };
const usage: EventBody = { type: "usage.reported", inputTokens: 2 };

it("reads what came since and nothing twice, also when many ask at once", async () => {
  const folds = new SessionFolds(counted);
  const first = await write("one", [begin, usage, usage]);
  const answers = await Promise.all(Array.from({ length: 20 }, () => folds.runs(first)));
  expect(reads).toEqual([3]);
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(answers[0]).toMatchObject([{ status: "running", events: 3, lastSeq: 3, usage: { inputTokens: 4 } }]);
  await folds.lineage(first);
  expect(reads).toEqual([3]);
  const later = await write("one", [usage, end]);
  expect(await folds.runs(later)).toMatchObject([{ status: "completed", events: 5, lastSeq: 5 }]);
  expect(reads).toEqual([3, 2]);
  // What was answered before stays as it was.
  expect(answers[0]).toMatchObject([{ status: "running", events: 3 }]);
});

it("adds up to the same wherever the log was when it was asked for", async () => {
  const bodies: EventBody[] = [begin, usage, { type: "text.delta", text: "x" }, end, begin, usage, end];
  const piecewise = new SessionFolds(store);
  for (const [at, body] of bodies.entries()) {
    const session = await write("one", [body]);
    expect(await piecewise.runs(session)).toEqual(await new SessionFolds(store).runs(session));
    expect((await piecewise.lineage(session)).lastSeq).toBe(at + 1);
  }
});

it("takes a session that stands under the id of a deleted one for another", async () => {
  const folds = new SessionFolds(store);
  const first = await write("one", [begin, usage, end]);
  expect(await folds.runs(first)).toMatchObject([{ events: 3 }]);
  await writers.get("one")?.close();
  writers.delete("one");
  await store.delete("one");
  const second = await write("one", [begin, end]);
  expect(await folds.runs(second)).toMatchObject([{ events: 2 }]);
});

it("keeps so many sessions, and so much of them, and forgets what was asked for least lately", async () => {
  const few = new SessionFolds(counted, { keptSessions: 2 });
  const [a, b, c] = [
    await write("a", [begin, end]),
    await write("b", [begin, end]),
    await write("c", [begin, end]),
  ] as const;
  for (const session of [a, b, a, c, a, b]) await few.runs(session);
  expect(reads).toHaveLength(4);
  reads.length = 0;
  const small = new SessionFolds(counted, { keptCharacters: 500 });
  const large = await write("large", [{ ...begin, task: "x".repeat(1000) }]);
  for (const session of [a, large, large, a, a]) await small.runs(session);
  // What is too large alone is not kept; what is small is.
  expect(reads).toEqual([2, 1, 1, 2]);
});

it("begins again where a read failed", async () => {
  const session = await write("one", [begin, usage, usage, end]);
  let isBroken = true;
  const breaking = new Proxy(store, {
    get(target, name) {
      if (name !== "read") return Reflect.get(target, name, target);
      return async function* read(...call: Parameters<SessionStore["read"]>) {
        for await (const event of target.read(...call)) {
          if (isBroken && event.seq === 3) throw new Error("the disk");
          yield event;
        }
      };
    },
  });
  const folds = new SessionFolds(breaking);
  await expect(folds.runs(session)).rejects.toThrow("the disk");
  isBroken = false;
  expect(await folds.runs(session)).toMatchObject([{ status: "completed", events: 4, usage: {} }]);
});
