import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it, vi } from "vitest";
import type { StoredEvent } from "../event/event.ts";
import { startProcess } from "../internal/spawn-process.ts";
import { openLocalSandbox } from "../sandbox/local/index.ts";
import { openPostgresStore } from "../store/postgres/index.ts";
import { shareServer } from "../store/postgres/postgres-server.test.support.ts";
import type { SessionStore } from "../store/session-store.ts";
import { openSqliteStore } from "../store/sqlite/index.ts";
import { makeFolder, skein, startSkein } from "./cli-process.test.support.ts";

// Whole processes, on machines that have other things to do.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 });

const moduleAt = (...path: string[]): string =>
  JSON.stringify(pathToFileURL(join(import.meta.dirname, "..", ...path)).href);

/** Three rounds of one conversation beside a file that no compression makes small. The third never ends on the machine that is called first. */
const LOOP = `
import { createHash } from "node:crypto";
import { runLoop } from ${moduleAt("index.js")};
const noise = Array.from({ length: 160_000 }, (_, at) => createHash("sha256").update(String(at)).digest());
export const study = (context, sandboxClient) => runLoop({
  task: "study",
  driver: { name: "rounds", plan: (_task, history) => (history.length < 3 ? [history.length] : []), decide: () => "on" },
  agentRun: {
    profile: { name: "scripted", agent: "scripted" },
    box: { files: [{ path: "noise", data: Buffer.concat(noise) }] },
    taskToPrompt: (round) => "write notes-" + round + ".txt " + round + "\\nremember w" + round + "\\nsay recalls:\\nrecall\\n"
      + (round === 2 ? (process.env.MACHINE === "first" ? "hang" : "read notes-0.txt\\nread notes-1.txt") : ""),
  },
  output: { parse: (events) => events.map((event) => (event.type === "text.delta" ? event.text : "")).join("") },
  lineage: { sessionContinuity: true, checkpoints: "every-round", checkpointsTravel: true },
  onEvent: (event) => { if (event.type === "iteration.started" && event.index === 2) console.log("third round"); },
  sandboxClient, ...context,
});
`;

const JOBS = `
import { study } from "./loop.mjs";
export default {
  study: async ({ store, sessionId, resume, signal, openSandbox }) => {
    await study({ store, sessionId, resume, signal }, await openSandbox());
  },
};
`;

const SCRIPT = `
import { study } from "./loop.mjs";
import { openLocalSandbox } from ${moduleAt("sandbox", "local", "index.js")};
import { openSqliteStore } from ${moduleAt("store", "sqlite", "index.js")};
const store = await openSqliteStore("sessions.db");
const sandboxClient = await openLocalSandbox({ directory: process.env.MACHINE });
await study({ store, sessionId: "loop", resume: process.env.MACHINE === "second" }, sandboxClient);
await sandboxClient.close();
await store.close();
`;

/** What the log says of a loop that was begun on one machine and ended on another. */
async function expectMoved(store: SessionStore, sessionId: string): Promise<void> {
  const events: StoredEvent[] = [];
  for await (const event of store.read(sessionId)) events.push(event);
  expect(events.at(-1)).toMatchObject({ type: "final", status: "completed" });
  const stored = events.flatMap((event) => (event.type === "checkpoint.created" ? [event] : []));
  // A piece has 4 MiB.
  expect(stored.map(({ stored: pieces, reason }) => [pieces?.pieces.length, reason])).toEqual(
    [2, 2, 2].map((count) => [count, undefined]),
  );
  expect(events.filter(({ type }) => type === "box.created")).toHaveLength(1);
  expect(events.find(({ type }) => type === "box.forked")).toMatchObject({ mode: "files", from: stored[0]?.boxId });
  expect(events.find((event) => event.type === "custom" && event.name === "checkpoint.fetched")).toMatchObject({
    data: { checkpointId: stored[1]?.checkpointId, index: 1 },
  });
  const last = events.findLast((event) => event.type === "iteration.started");
  const said: string[] = [];
  const { iterationSessionId: iteration } = last as Extract<StoredEvent, { type: "iteration.started" }>;
  for await (const event of store.read(iteration)) if (event.type === "text.delta") said.push(event.text);
  expect(said.join("")).toMatch(/recalls:w0,w1,w20\n1\n$/);
}

/** The boxes of a machine that is gone do not end by themselves. */
async function clear(directory: string): Promise<void> {
  const client = await openLocalSandbox({ directory });
  for (const { id } of await client.list()) await client.discard(id);
  await client.close();
}

it("K10: a loop whose process is killed goes on in another process with another sandbox, from files and conversation that lay in SQLite", async () => {
  const cwd = await makeFolder({ "loop.mjs": LOOP, "script.mjs": SCRIPT });
  const run = (machine: string): ChildProcess =>
    startProcess([process.execPath, "script.mjs"], {
      cwd,
      env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", MACHINE: machine },
      stdio: ["ignore", "pipe", "ignore"],
      detached: false,
    });
  await using store = await openSqliteStore(join(cwd, "sessions.db"));
  const first = run("first");
  // It says nothing else.
  await once(first.stdout as NonNullable<ChildProcess["stdout"]>, "data");
  first.kill("SIGKILL");
  await once(first, "exit");
  expect(await once(run("second"), "exit")).toEqual([0, null]);
  await expectMoved(store, "loop");
  for (const machine of ["first", "second"]) await clear(join(cwd, machine));
});

it("K10: a job whose worker is killed goes on in a worker on another machine, from files and conversation that lay in Postgres", async () => {
  const cwd = await makeFolder({ "loop.mjs": LOOP, "jobs.mjs": JOBS });
  const database = `${await shareServer()}?schema=travel_${process.pid}`;
  const on = (machine: string): Record<string, string> => ({
    SKEIN_DATA: database,
    SKEIN_BOXES: join(cwd, machine),
    MACHINE: machine,
  });
  await using store = await openPostgresStore(database);
  expect((await skein(cwd, ["fleet", "add", "study", "--id", "job_study"], on("first"))).exitCode).toBe(0);
  const first = startSkein(cwd, ["worker", "jobs.mjs"], on("first"));
  await first.waitFor(/third round/);
  first.kill("SIGKILL");
  await first.ended;
  const second = startSkein(cwd, ["worker", "jobs.mjs", "--log", "json"], on("second"));
  await second.waitFor(/"job.ended".*job_study/);
  second.kill("SIGTERM");
  expect(await second.ended).toBe(0);
  await expectMoved(store, "job_study");
  for (const machine of ["first", "second"]) await clear(join(cwd, machine, "boxes"));
});
