import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { moveSessions } from "./move-sessions.ts";
import { openMemoryStore } from "./memory/index.ts";
import { openPostgresStore } from "./postgres/index.ts";
import { shareServer } from "./postgres/postgres-server.test.support.ts";
import { exportSession } from "./session-file.ts";
import type { Session, SessionStore } from "./session-store.ts";
import { openSqliteStore } from "./sqlite/index.ts";

const folder = mkdtempSync(join(tmpdir(), "skein-move-"));
let url = "";
let count = 0;
beforeAll(async () => {
  url = await shareServer();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const openStores = {
  SQLite: () => openSqliteStore(join(folder, `${count++}.db`)),
  Postgres: () => openPostgresStore(url, { schema: `move_${process.pid}_${count++}` }),
  memory: () => openMemoryStore(),
};

const RUN_STARTED = { type: "run.started", kind: "task", task: 1 } as const;
const FINAL = { type: "final", status: "completed", reason: "completed", usage: {}, durationMs: 1 } as const;

/** A loop with a child, a chain of forks, a blob, and text that is hard to write down. */
async function fill(store: SessionStore): Promise<void> {
  await store.create({ id: "loop", kind: "loop", labels: { title: "ü" } });
  await store.create({ id: "loop.0", kind: "task", parentId: "loop" });
  for (const id of ["loop", "loop.0"]) {
    const writer = await store.openWriter(id);
    const blob = await store.putBlob(Buffer.from("the bytes of an artifact"));
    await writer.append([RUN_STARTED, { type: "session.created", backend: "test", resumeToken: "t\u0000" }]);
    await writer.append([
      { type: "text.delta", text: "\ud800 \u2028 𝄞\n" },
      { type: "artifact.created", name: "a", blob },
      FINAL,
    ]);
    await writer.append(
      Array.from({ length: 500 }, (_, index) => ({
        type: "custom",
        name: "n",
        data: { index, text: "x".repeat(200) },
      })),
    );
    await writer.close();
  }
  const first = await store.fork("loop.0", { atSeq: 5 });
  const second = await store.fork(first.id, { atSeq: 3 });
  const writer = await store.openWriter(second.id);
  await writer.append([RUN_STARTED, FINAL]);
  await writer.close();
}

const described = ({ epoch: _epoch, ...session }: Session): unknown => session;

async function snapshot(store: SessionStore): Promise<unknown> {
  const sessions = await store.list();
  const files: string[] = [];
  for (const { id } of sessions) for await (const line of exportSession(store, id)) files.push(line);
  return { sessions: sessions.map(described), files };
}

it.each([
  ["SQLite", "Postgres"],
  ["Postgres", "SQLite"],
  ["memory", "Postgres"],
] as const)(
  "L4: carries sessions from %s to %s with ids, positions, forks and bytes, and leaves nothing behind",
  async (a, b) => {
    await using from = await openStores[a]();
    await using to = await openStores[b]();
    await fill(from);
    const before = await snapshot(from);
    const report = await moveSessions(from, to);
    expect(report).toMatchObject({ sessions: 4, kept: [] });
    expect(await snapshot(to)).toEqual(before);
    expect(await from.list()).toEqual([]);
  },
);

it("goes on where a move was cut off, and refuses what is another session", async () => {
  await using from = await openStores.SQLite();
  await using to = await openStores.Postgres();
  await fill(from);
  await moveSessions(from, to, { keep: true });
  const before = await snapshot(from);
  await to.create({ id: "other", kind: "task" });
  expect(await moveSessions(from, to)).toMatchObject({ sessions: 4 });
  await to.delete("other");
  expect(await snapshot(to)).toEqual(before);

  await from.create({ id: "loop", kind: "loop" });
  await expect(moveSessions(from, to)).rejects.toMatchObject({ code: "store_failed" });
  expect(await from.get("loop")).toBeDefined();
});

it("leaves what is being written, and what was forked from it", async () => {
  await using from = await openStores.SQLite();
  await using to = await openStores.Postgres();
  await fill(from);
  await using writer = await from.openWriter("loop.0");
  const report = await moveSessions(from, to);
  expect(report.sessions).toBe(1);
  expect(report.kept.map(({ reason }) => reason)).toContainEqual(expect.stringMatching(/being written/));
  expect((await to.list()).map(({ id }) => id)).toEqual(["loop"]);
  await writer.append([RUN_STARTED]);
});
