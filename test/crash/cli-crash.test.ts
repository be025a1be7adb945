import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";
import type { StoredEvent } from "../../dist/index.js";
import { openLocalSandbox } from "../../dist/sandbox/local/index.js";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";

const KILLS = Number(process.env["SKEIN_CLI_KILLS"] ?? 10);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SKEIN = join(ROOT, "dist/cli/main.js");
/** The package that no attempt repairs: a loop over it is always in the middle of something. */
const PACKAGE = join(ROOT, "examples/packages/formula-cells");

const folder = mkdtempSync(join(tmpdir(), "skein-cli-crash-"));
const data = join(folder, "data");
afterAll(async () => {
  const client = await openLocalSandbox({ directory: join(data, "boxes"), containment: "none" });
  for (const { id } of await client.list()) await (await client.attach(id))?.delete();
  await client.close();
  rmSync(folder, { recursive: true, force: true });
});

const skein = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, [SKEIN, ...args, "--data", data], { maxBuffer: 2 ** 26 })).stdout;

const COMMANDS: readonly (readonly string[])[] = [
  ["loop", PACKAGE, "--json"],
  ["loop", PACKAGE, "--json", "--continue"],
  ["loop", PACKAGE, "--json", "--driver", "fanout", "--k", "2", "--fork"],
  ["run", PACKAGE, "--json"],
];

/** Starts a command, kills it so long after its first event, and gives the lines that it had printed whole. */
async function killOnce(args: readonly string[], afterMs: number): Promise<string[]> {
  const child = spawn(process.execPath, [SKEIN, ...args, "--data", data], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => lines.push(line));
  await Promise.race([once(reader, "line"), ended]);
  const timer = setTimeout(() => child.kill("SIGKILL"), afterMs);
  await ended;
  clearTimeout(timer);
  // The last line may have been cut in the middle.
  return lines.filter((line) => line.endsWith("}"));
}

async function readAll(events: AsyncIterable<StoredEvent>): Promise<StoredEvent[]> {
  const all: StoredEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** Processes of boxes: boxd carries its box's id on its command line. */
function processesOf(boxIds: ReadonlySet<string>): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8")
        .split("\0")
        .some((word) => boxIds.has(word));
    } catch {
      // It has ended since.
      return false;
    }
  });
}

it(`B3, L1, L2, L4, L7: loses nothing that was printed in ${KILLS} kills at random moments`, async () => {
  let printed = 0;
  let closed = 0;
  let kept = 0;
  const boxes = new Set<string>();
  for (let kill = 0; kill < KILLS; kill++) {
    const args = COMMANDS[kill % COMMANDS.length] as readonly string[];
    const lines = await killOnce(args, Math.random() * 5000);
    printed += lines.length;

    // Any command closes what the dead process left open.
    await skein("ls", "--json");

    await using store = await openSqliteStore(join(data, "skein.db"), { readOnly: true });
    const sessions = await store.list();
    const logs = new Map<string, StoredEvent[]>();
    for (const { id } of sessions) logs.set(id, await readAll(store.read(id)));
    for (const line of lines) {
      const event = JSON.parse(line) as StoredEvent;
      expect(logs.get(event.sessionId)?.[event.seq - 1], "a printed event is in the log").toEqual(event);
    }
    for (const [id, events] of logs) {
      expect(
        events.map(({ seq }) => seq),
        id,
      ).toEqual(events.map((_, index) => index + 1));
      const runs = new Set(events.map(({ runId }) => runId));
      const finals = events.filter((event) => event.type === "final");
      expect(finals.length, `finals of ${id}`).toBe(runs.size);
      for (const event of events) if ("boxId" in event && typeof event.boxId === "string") boxes.add(event.boxId);
      closed += finals.filter((event) => event.status === "interrupted").length;
    }

    const client = await openLocalSandbox({ directory: join(data, "boxes"), containment: "none" });
    for (const { id, labels } of await client.list()) {
      boxes.add(id);
      const session = sessions.find((candidate) => candidate.id === labels["skein.session"]);
      expect(session, `box ${id} belongs to a loop that can be resumed`).toMatchObject({
        kind: "loop",
        status: "interrupted",
      });
      kept++;
      await (await client.attach(id))?.delete();
    }
    for (const { id, labels } of await client.listCheckpoints()) {
      const session = sessions.find((candidate) => candidate.id === labels["skein.session"]);
      expect(session, `checkpoint ${id} belongs to a loop that can be resumed`).toMatchObject({
        kind: "loop",
        status: "interrupted",
      });
    }
    await client.close();
    expect(processesOf(boxes), "no process of a box is left").toEqual([]);
  }
  expect(boxes.size).toBeGreaterThan(0);
  expect(printed).toBeGreaterThan(KILLS);
  expect(closed).toBeGreaterThan(0);
  process.stdout.write(
    `kills ${KILLS}, events printed ${printed}, interrupted runs closed ${closed}, boxes of resumable loops ${kept}\n`,
  );
});
