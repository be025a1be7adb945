import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";
import { StoreProcess } from "./store-process.ts";

const KILLS = Number(process.env["SKEIN_CRASH_KILLS"] ?? 25);
/** A new database after so many kills: an old one that has been through many, and a young one that is being made. */
const KILLS_PER_DATABASE = 12;

const folder = mkdtempSync(join(tmpdir(), "skein-crash-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Printed {
  readonly seq: number;
  readonly sessionId: string;
}

const binding = createRequire(import.meta.url)("libsql") as new (path: string) => {
  prepare(sql: string): { raw(): { all(parameters: unknown[]): unknown[] } };
  close(): void;
};

function checkIntegrity(path: string): unknown[] {
  const database = new binding(path);
  try {
    return database.prepare("PRAGMA integrity_check").raw().all([]);
  } finally {
    database.close();
  }
}

/** Waits for a moment that is nowhere in particular. */
function randomMoment(maxMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * maxMs));
}

/** @returns how many events the process had printed */
async function killOnce(path: string, kill: number): Promise<number> {
  const writer = new StoreProcess("append", path, { prefix: `k${kill}` });
  // One in five is killed at any moment of its start, the others while they write.
  if (kill % 5 !== 4) await writer.hears("{");
  await randomMoment(250);
  await writer.kill();

  // Recoverers race with the opening of this process's own store, which recovers too.
  const racing = kill % 4 === 0 ? [new StoreProcess("recover", path), new StoreProcess("recover", path)] : [];
  const store = await openSqliteStore(path);
  await Promise.all(racing.map((one) => one.ended()));

  const printed = writer.lines.filter((line) => line.endsWith("}"));
  const bySession = new Map<string, string[]>();
  for (const line of printed) {
    const { sessionId } = JSON.parse(line) as Printed;
    bySession.set(sessionId, [...(bySession.get(sessionId) ?? []), line]);
  }
  for (const { id } of await store.list()) {
    if (!id.startsWith(`k${kill}-`)) continue;
    const log: string[] = [];
    const open = new Map<string, number>();
    for await (const event of store.read(id)) {
      log.push(JSON.stringify(event));
      expect(event.seq).toBe(log.length);
      if (event.type === "run.started") open.set(event.runId, 0);
      else expect(open.get(event.runId), "nothing of a run comes after its final").toBe(0);
      if (event.type === "final") open.set(event.runId, 1);
    }
    expect([...open.values()].every((finals) => finals === 1), "one final for each run").toBe(true);
    for (const line of bySession.get(id) ?? []) expect(log[(JSON.parse(line) as Printed).seq - 1]).toBe(line);
    bySession.delete(id);
  }
  expect([...bySession.keys()], "a session that was printed is there").toEqual([]);
  expect(await store.recover()).toEqual([]);
  await store.close();
  return printed.length;
}

it(`L1, L2, L4, L7: ${KILLS} kills at random moments lose nothing that was seen, and leave one final for each run`, { timeout: 60_000 + KILLS * 10_000 }, async () => {
  let printed = 0;
  let path = "";
  for (let kill = 0; kill < KILLS; kill++) {
    if (kill % KILLS_PER_DATABASE === 0) path = join(folder, `${kill}`, "skein.db");
    printed += await killOnce(path, kill);
    if (kill % KILLS_PER_DATABASE === KILLS_PER_DATABASE - 1 || kill === KILLS - 1) expect(checkIntegrity(path)).toEqual([["ok"]]);
  }
  expect(printed).toBeGreaterThan(KILLS);
});
