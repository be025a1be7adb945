import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";
import { checkIntegrity, checkLogs } from "./check-log.ts";
import { StoreProcess } from "./store-process.ts";

const KILLS = Number(process.env["SKEIN_CRASH_KILLS"] ?? 25);
/** In a store with durability process; a short form of the same. */
const PROCESS_KILLS = Math.ceil(KILLS / 3);
/** A new database after so many kills: an old one that has been through many, and a young one that is being made. */
const KILLS_PER_DATABASE = 12;

const folder = mkdtempSync(join(tmpdir(), "skein-crash-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Waits for a moment that is nowhere in particular. */
function randomMoment(maxMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * maxMs));
}

/** @returns how many events the process had printed */
async function killOnce(path: string, kill: number, durability: "disk" | "process"): Promise<number> {
  // By hand in batches, large events among them; or as a stream that a consumer reads.
  const mode = durability === "process" && kill % 2 === 1 ? "stream" : "append";
  const writer = new StoreProcess(mode, path, { prefix: `k${kill}`, durability });
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

async function killMany(kills: number, durability: "disk" | "process"): Promise<void> {
  let printed = 0;
  let path = "";
  for (let kill = 0; kill < kills; kill++) {
    if (kill % KILLS_PER_DATABASE === 0) path = join(folder, `${durability}-${kill}`, "skein.db");
    printed += await killOnce(path, kill, durability);
    if (kill % KILLS_PER_DATABASE === KILLS_PER_DATABASE - 1 || kill === kills - 1)
      expect(checkIntegrity(path)).toEqual([["ok"]]);
  }
  expect(printed).toBeGreaterThan(kills);
  process.stdout.write(`kills at random moments, durability ${durability}: ${kills}, events printed ${printed}\n`);
}

it(
  `L1, L2, L4, L7: ${KILLS} kills at random moments lose nothing that was seen, and leave one final for each run`,
  { timeout: 60_000 + KILLS * 10_000 },
  () => killMany(KILLS, "disk"),
);

// A process that dies leaves behind what it had given to the operating system; only a machine that dies does not.
it(
  `L1, L2, L4, L7: ${PROCESS_KILLS} kills lose nothing that was seen either where no write waits for the disk (durability process)`,
  { timeout: 60_000 + PROCESS_KILLS * 10_000 },
  () => killMany(PROCESS_KILLS, "process"),
);
