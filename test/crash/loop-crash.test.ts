import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import type { StoredEvent } from "../../dist/index.js";
import { openLocalSandbox } from "../../dist/sandbox/local/index.js";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";

const LOOPS = Number(process.env["SKEIN_LOOP_KILLS"] ?? 6);
/** How often one loop is killed at most before it is left to end. */
const KILLS_PER_LOOP = 2;
const CHILD = fileURLToPath(new URL("./loop-child.mjs", import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "skein-loop-crash-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly events: readonly StoredEvent[];
  readonly result: string | undefined;
}

/** Runs or resumes a loop in a process of its own, and kills it after so many milliseconds unless it has ended. */
async function runLoopProcess(mode: "run" | "resume", sessionId: string, killAfterMs?: number): Promise<Ended> {
  const child = spawn(process.execPath, [CHILD, mode, folder, sessionId], { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => lines.push(line));
  await Promise.race([once(reader, "line"), closed]);
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  await closed;
  clearTimeout(timer);
  const whole = lines.filter((line) => line.endsWith("}"));
  return {
    events: whole.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as StoredEvent),
    result: whole.find((line) => line.startsWith("RESULT "))?.slice("RESULT ".length),
  };
}

async function readAll(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

it(
  `K10, B5: a loop over real boxes, killed at random moments and resumed, ends as one that was never killed (${LOOPS} loops)`,
  { timeout: 300_000 + LOOPS * 30_000 },
  async () => {
    const startedAt = performance.now();
    const reference = await runLoopProcess("run", "loop_reference");
    const wholeMs = performance.now() - startedAt;
    expect(reference.result).toBeDefined();
    let kills = 0;
    let attached = 0;
    let again = 0;
    for (let number = 0; number < LOOPS; number++) {
      const sessionId = `loop_k${number}`;
      let ended = await runLoopProcess("run", sessionId, Math.random() * wholeMs);
      const finished = new Set<number>();
      for (let kill = 1; ended.result === undefined; kill++) {
        kills++;
        for (const event of ended.events)
          if (event.sessionId === sessionId && event.type === "iteration.ended") finished.add(event.index);
        ended = await runLoopProcess("resume", sessionId, kill < KILLS_PER_LOOP ? Math.random() * wholeMs : undefined);
        const repeated = ended.events.filter(
          (event) => event.sessionId === sessionId && event.type === "iteration.started" && finished.has(event.index),
        );
        expect(repeated, "no finished iteration is repeated").toEqual([]);
      }
      expect(JSON.parse(ended.result)).toEqual(JSON.parse(reference.result as string));

      await using store = await openSqliteStore(join(folder, "skein.db"));
      const log = await readAll(store.read(sessionId));
      for (const event of log) {
        if (event.type !== "iteration.started" || event.reason === undefined) continue;
        if (event.reason.startsWith("goes on")) attached++;
        else again++;
      }
      for (const { id } of [...(await store.list({ parentId: sessionId })), { id: sessionId }]) {
        const events = await readAll(store.read(id));
        const runs = new Set(events.map(({ runId }) => runId));
        expect(events.filter(({ type }) => type === "final").length, `finals of ${id}`).toBe(runs.size);
      }
      const client = await openLocalSandbox({ directory: join(folder, "boxes") });
      expect(await client.list({ "skein.session": sessionId }), "no box is left").toEqual([]);
      await client.close();
    }
    expect(kills).toBeGreaterThan(0);
    process.stdout.write(
      `loops ${LOOPS}, kills ${kills}, turns that went on in their box ${attached}, iterations begun again ${again}\n`,
    );
  },
);
