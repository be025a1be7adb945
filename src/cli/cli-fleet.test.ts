import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, expect, it, vi } from "vitest";
import type { JobState } from "../runtime/fleet/index.ts";
import { shareServer } from "../store/postgres/postgres-server.test.support.ts";
import { makeFolder, skein, startSkein } from "./cli-process.test.support.ts";

// Whole processes, on machines that have other things to do.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

let url = "";
beforeAll(async () => {
  url = await shareServer();
});

const ROOT = pathToFileURL(join(import.meta.dirname, "..", "index.js")).href;
const ITERABLE = pathToFileURL(join(import.meta.dirname, "..", "backend", "iterable", "index.js")).href;

const JOBS = `
import { runTask } from ${JSON.stringify(ROOT)};
import { createIterableBackend } from ${JSON.stringify(ITERABLE)};
export default {
  async greet({ job, store, sessionId, resume, signal }) {
    const backend = createIterableBackend("greeting", async function* () { yield { type: "text.delta", text: "hello " + job.input }; });
    await runTask({ task: "greet", backend, store, sessionId, resume, signal });
  },
};
`;

async function readState(cwd: string, database: string, id: string): Promise<JobState | undefined> {
  const { stdout } = await skein(cwd, ["fleet", "--json", "--data", database]);
  const { jobs } = JSON.parse(stdout.slice(stdout.indexOf("{"))) as { jobs: { id: string; state: JobState }[] };
  return jobs.find((job) => job.id === id)?.state;
}

it("adds a job, runs it in a worker, shows how it went, answers its orchestrator, and ends in order", async () => {
  const cwd = await makeFolder({ "jobs.mjs": JOBS });
  const database = `${url}?schema=fleet_${process.pid}`;
  const data = ["--data", database];
  const added = await skein(cwd, ["fleet", "add", "greet", '"world"', "--id", "job_one", ...data]);
  expect(added.exitCode, added.stderr).toBe(0);
  expect((await skein(cwd, ["fleet", ...data])).stdout).toContain("there is no worker");

  const worker = startSkein(cwd, ["worker", "jobs.mjs", "--port", "0", ...data]);
  const said = await worker.waitFor(/takes greet from/);
  const metrics = /http:\S+/.exec(said)?.[0] ?? "";
  let state: JobState | "gone" = "queued";
  while (state === "queued" || state === "running") state = (await readState(cwd, database, "job_one")) ?? "gone";
  expect(state).toBe("completed");
  expect((await skein(cwd, ["show", "job_one", "--json", ...data])).stdout).toContain("hello world");
  expect(await (await fetch(metrics)).text()).toContain(
    'skein_worker_job_seconds_count{job="greet",outcome="completed"} 1',
  );
  expect((await fetch(metrics.replace("metrics", "readyz"))).status).toBe(200);
  expect((await fetch(metrics.replace("metrics", "nothing"))).status).toBe(404);

  worker.kill("SIGTERM");
  expect(await worker.ended).toBe(0);
});

it.each([
  [["worker", "jobs.mjs"], "name a database"],
  [["fleet"], "name it with --data"],
])("refuses %j without a database", async (args, sentence) => {
  const cwd = await makeFolder({ "jobs.mjs": JOBS });
  const { exitCode, stderr } = await skein(cwd, args);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(sentence);
});

it("refuses a module without jobs, and an input that is not JSON", async () => {
  const cwd = await makeFolder({ "jobs.mjs": "export const x = 1;" });
  const data = ["--data", `${url}?schema=fleet_${process.pid}`];
  expect((await skein(cwd, ["worker", "jobs.mjs", ...data])).stderr).toContain("has no jobs");
  expect((await skein(cwd, ["worker", "nothing.mjs", ...data])).stderr).toContain("could not be loaded");
  expect((await skein(cwd, ["fleet", "add", "greet", "{", ...data])).stderr).toContain("is JSON");
});
