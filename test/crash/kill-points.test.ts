import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";
import { FORMAT_VERSION } from "../../dist/store/sqlite/sqlite-format.js";
import { KILL_POINTS, armKillPoint } from "../../dist/testing/kill-points.js";
import type { KillPoint } from "../../dist/testing/kill-points.js";
import { checkIntegrity, checkLogs } from "./check-log.ts";
import { StoreProcess } from "./store-process.ts";

/** How often each point is passed before the process dies there: at its beginning, and in the middle of much. */
const PASSES: Readonly<Record<KillPoint, readonly number[]>> = {
  "before-append": [1, 2, 5, 17, 60, 200],
  "after-append": [1, 2, 5, 17, 60, 150],
  "after-flush": [1, 2, 5, 17, 60, 150],
  "after-delivery": [1, 2, 40, 300, 900, 2000],
  "in-stop": [1, 2, 3, 4, 9, 20],
  "in-recovery": [1, 1, 1, 2, 3, 4],
  "in-migration": [1, 1],
  "in-prune": [1, 2, 3, 6],
};

const folder = mkdtempSync(join(tmpdir(), "skein-kill-points-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const counts = { kills: 0, printed: 0, events: 0, runs: 0 };

/** Runs a process until it dies at the point, and nowhere else; or, where it may live, until it ends by itself. */
async function dieAt(
  point: KillPoint,
  at: number,
  mode: "stream" | "recover" | "migrate" | "prune",
  path: string,
  options: object = {},
): Promise<string[]> {
  const child = new StoreProcess(mode, path, { sessions: 4, ...options }, armKillPoint(point, { at }));
  await child.ended();
  expect(child.child.signalCode, `dies at ${point}, the ${at}. time`).toBe("SIGKILL");
  counts.kills += 1;
  // The last line may have been cut in the middle.
  return child.lines.filter((line) => line.endsWith("}"));
}

async function checkAfter(path: string, printed: readonly string[]): Promise<void> {
  const store = await openSqliteStore(path);
  const { events, finals } = await checkLogs(store, printed);
  expect(await store.recover()).toEqual([]);
  await store.close();
  expect(checkIntegrity(path)).toEqual([["ok"]]);
  counts.printed += printed.length;
  counts.events += events;
  counts.runs += finals;
}

async function checkPoint(point: KillPoint, at: number, path: string): Promise<void> {
  switch (point) {
    case "in-recovery": {
      // The sessions that stream may all be between two runs at that moment, so others hold a run open.
      const printed = await dieAt("after-flush", 140 + at, "stream", path, { open: 4 });
      await dieAt(point, at, "recover", path);
      await checkAfter(path, printed);
      return;
    }
    case "in-migration": {
      const printed = await dieAt("after-flush", 40 + at, "stream", path);
      await dieAt(point, at, "migrate", path);
      expect(existsSync(`${path}.format-${FORMAT_VERSION}.backup`), "the file was copied before").toBe(true);
      await checkAfter(path, printed);
      await checkAfter(`${path}.format-${FORMAT_VERSION}.backup`, printed);
      return;
    }
    case "in-prune": {
      const printed = await dieAt("after-flush", 40, "stream", path);
      await dieAt(point, at, "prune", path);
      const store = await openSqliteStore(path);
      // A session is there as a whole, or not at all; the kill came after the first had gone.
      const left = await store.list({ kind: "old" });
      expect(left.length).toBeLessThan(4);
      for (const session of left) expect(session.lastSeq).toBe(6002);
      await store.prune({ kind: "old" });
      expect(await store.list({ kind: "old" })).toEqual([]);
      await store.close();
      await checkAfter(path, printed);
      return;
    }
    default:
      await checkAfter(path, await dieAt(point, at, "stream", path));
  }
}

for (const point of KILL_POINTS) {
  it(`L1, L2, L4, L7: a process that dies at ${point} loses nothing that was seen, and leaves one final for each run`, async () => {
    for (const [index, at] of PASSES[point].entries())
      await checkPoint(point, at, join(folder, `${point}-${index}`, "skein.db"));
  });
}

afterAll(() => {
  process.stdout.write(
    `kills at ${KILL_POINTS.length} named points ${counts.kills}, events printed ${counts.printed}, events in the logs ${counts.events}, runs with one final ${counts.runs}\n`,
  );
});
