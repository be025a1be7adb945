import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";
import { checkIntegrity, checkLogs } from "./check-log.ts";
import { StoreProcess } from "./store-process.ts";

const KILLS = Number(process.env["SKEIN_CRASH_KILLS"] ?? 25);
/** A new database after so many kills: an old one that has been through many, and a young one that is being made. */
const KILLS_PER_DATABASE = 12;

const folder = mkdtempSync(join(tmpdir(), "skein-crash-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

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
  const { events } = await checkLogs(store, printed, (id) => id.startsWith(`k${kill}-`));
  expect(events).toBeGreaterThanOrEqual(printed.length);
  expect(await store.recover()).toEqual([]);
  await store.close();
  return printed.length;
}

it(
  `L1, L2, L4, L7: ${KILLS} kills at random moments lose nothing that was seen, and leave one final for each run`,
  { timeout: 60_000 + KILLS * 10_000 },
  async () => {
    let printed = 0;
    let path = "";
    for (let kill = 0; kill < KILLS; kill++) {
      if (kill % KILLS_PER_DATABASE === 0) path = join(folder, `${kill}`, "skein.db");
      printed += await killOnce(path, kill);
      if (kill % KILLS_PER_DATABASE === KILLS_PER_DATABASE - 1 || kill === KILLS - 1)
        expect(checkIntegrity(path)).toEqual([["ok"]]);
    }
    expect(printed).toBeGreaterThan(KILLS);
    process.stdout.write(`kills at random moments ${KILLS}, events printed ${printed}\n`);
  },
);
