import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SessionStore, SessionWriter } from "../../dist/store/session-store.js";
import { beginOf } from "../../dist/store/begin-session.js";
import type { BeginSession } from "../../dist/store/begin-session.js";
import { openMemoryStore } from "../../dist/store/memory/index.js";
import { openPostgresStore } from "../../dist/store/postgres/index.js";
import { shareServer } from "../../dist/store/postgres/postgres-server.test.support.js";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";

const folder = await mkdtemp(join(tmpdir(), "skein-begin-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

const started = { type: "run.started", kind: "task", task: { prompt: "do" } } as const;
const second = { type: "session.created", backend: "test" } as const;

function stepOf(store: SessionStore): BeginSession {
  const begin = beginOf(store);
  if (begin === undefined) throw new Error("the store has no such step");
  return begin;
}

async function read(store: SessionStore, id: string): Promise<object[]> {
  const events: object[] = [];
  for await (const event of store.read(id)) events.push(event);
  return events;
}

let files = 0;
let url = "";
let schemas = 0;
beforeAll(async () => {
  url = await shareServer();
});

const stores: readonly (readonly [string, () => Promise<SessionStore>])[] = [
  ["memory", () => openMemoryStore()],
  ["SQLite on the disk", () => openSqliteStore(join(folder, `${++files}.db`))],
  ["Postgres", () => openPostgresStore(url, { schema: `begin_${process.pid}_${++schemas}` })],
  ["SQLite in the process", () => openSqliteStore(join(folder, `${++files}.db`), { durability: "process" })],
];

describe.each(stores)("a session that begins in one step, %s", (_name, open) => {
  it("L4: is what create, openWriter and append would have made", async () => {
    await using store = await open();
    const begun = await stepOf(store)(
      { id: "one", kind: "task", labels: { a: "b" }, parentId: "parent" },
      { bodies: [started, second], runId: "run_1" },
    );
    await store.create({ id: "three", kind: "task", labels: { a: "b" }, parentId: "parent" });
    const writer = await store.openWriter("three");
    await writer.append([started, second], { runId: "run_1" });
    const strip = ({ id: _id, createdAt: _at, updatedAt: _to, writer: held, ...rest }: Record<string, unknown>) => ({
      ...rest,
      isHeld: held !== undefined,
    });
    expect(strip({ ...(await store.get("one")) })).toEqual(strip({ ...(await store.get("three")) }));
    expect(await read(store, "one")).toEqual(begun.events);
    expect(begun.events.map(({ seq, runId, type }) => [seq, runId, type])).toEqual([
      [1, "run_1", "run.started"],
      [2, "run_1", "session.created"],
    ]);
    const [third] = await begun.writer.append([{ type: "text.delta", text: "a" }]);
    expect(third).toMatchObject({ seq: 3, runId: "run_1" });
    expect(await read(store, "one")).toHaveLength(3);
    await begun.writer.close();
    expect((await store.get("one"))?.writer).toBeUndefined();
  });

  it("refuses an id that is there, and bodies that cannot be stored, and leaves nothing of them", async () => {
    await using store = await open();
    await store.create({ id: "a", kind: "task" });
    const begin = stepOf(store);
    await expect(begin({ id: "a", kind: "task" }, { bodies: [started], runId: "run_1" })).rejects.toMatchObject({
      code: "session_exists",
    });
    const wrong = { type: "text.delta", text: 1 } as unknown as typeof started;
    for (const bodies of [[], [wrong], [second], [started, wrong]])
      await expect(begin({ id: "b", kind: "task" }, { bodies, runId: "run_1" })).rejects.toMatchObject({
        kind: "validation",
      });
    expect((await store.list()).map(({ id }) => id)).toEqual(["a"]);
    expect(await read(store, "a")).toEqual([]);
  });

  it("L5: begins under a live writer after all that it has appended, and not at all once it is fenced", async () => {
    await using store = await open();
    const begin = stepOf(store);
    await store.create({ id: "parent", kind: "loop" });
    const writer: SessionWriter = await store.openWriter("parent");
    const order: string[] = [];
    const appended = writer.append([started]).then(() => order.push("appended"));
    const begun = begin({ id: "a", kind: "task" }, { bodies: [started], runId: "run_1", under: writer }).then(() =>
      order.push("begun"),
    );
    await Promise.all([appended, begun]);
    expect(order[0]).toBe("appended");
    await store.openWriter("parent");
    await expect(
      begin({ id: "b", kind: "task" }, { bodies: [started], runId: "run_1", under: writer }),
    ).rejects.toMatchObject({ code: "fenced" });
    expect((await store.list()).map(({ id }) => id).sort()).toEqual(["a", "parent"]);
    await expect(writer.append([second])).rejects.toMatchObject({ code: "fenced" });
  });

  it("L1: is not offered by what stands before a store, so that it gets every call", async () => {
    await using store = await open();
    expect(beginOf(new Proxy(store, {}))).toBeUndefined();
  });
});
