import { createRequire } from "node:module";
import { expect } from "vitest";
import type { SessionStore } from "../../dist/index.js";

const binding = createRequire(import.meta.url)("libsql") as new (path: string) => {
  prepare(sql: string): { raw(): { all(parameters: unknown[]): unknown[] } };
  close(): void;
};

/** What SQLite says of the file: `[["ok"]]` where it is sound. */
export function checkIntegrity(path: string): unknown[] {
  const database = new binding(path);
  try {
    return database.prepare("PRAGMA integrity_check").raw().all([]);
  } finally {
    database.close();
  }
}

/** How many rows a table has, whatever a store shows of them. */
export function countRows(path: string, table: string): number {
  const database = new binding(path);
  try {
    const [[count]] = database.prepare(`SELECT count(*) FROM ${table}`).raw().all([]) as [[number]];
    return count;
  } finally {
    database.close();
  }
}

interface Printed {
  readonly seq: number;
  readonly sessionId: string;
}

/**
 * Holds the sessions of a store to what must be true after any death: seq has no gap, each run has one `final` and nothing comes after it,
 * and every line that a consumer has printed is in the log as it was printed.
 */
export async function checkLogs(
  store: SessionStore,
  printed: readonly string[],
  isOurs: (id: string) => boolean = () => true,
): Promise<{ events: number; finals: number }> {
  const bySession = new Map<string, string[]>();
  for (const line of printed) {
    const { sessionId } = JSON.parse(line) as Printed;
    bySession.set(sessionId, [...(bySession.get(sessionId) ?? []), line]);
  }
  let events = 0;
  let finals = 0;
  for (const { id } of await store.list()) {
    if (!isOurs(id)) continue;
    const log: string[] = [];
    const open = new Map<string, number>();
    for await (const event of store.read(id)) {
      log.push(JSON.stringify(event));
      expect(event.seq).toBe(log.length);
      if (event.type === "run.started") open.set(event.runId, 0);
      else expect(open.get(event.runId), "nothing of a run comes after its final").toBe(0);
      if (event.type === "final") open.set(event.runId, 1);
    }
    expect(
      [...open.values()].every((count) => count === 1),
      "one final for each run",
    ).toBe(true);
    for (const line of bySession.get(id) ?? []) expect(log[(JSON.parse(line) as Printed).seq - 1]).toBe(line);
    bySession.delete(id);
    events += log.length;
    finals += open.size;
  }
  expect([...bySession.keys()], "a session that was printed is there").toEqual([]);
  return { events, finals };
}
