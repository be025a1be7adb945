import { once } from "node:events";
import { cp, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
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
  expect((await skein(cwd, ["fleet", ...data])).stdout).toContain("at most 4 in a worker");
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

const LEAK = `
  async leak({ job }) {
    const { SKEIN_DATA, MODEL_API_KEY } = process.env;
    throw new Error(["could not reach", SKEIN_DATA, MODEL_API_KEY, "planted-header-key postgres://a:planted@db/x", job.input].join(" "));
  },`;
const LEAKY_JOBS = JOBS.replace("export default {", () => `export default {${LEAK}`);

it("says what happens in one JSON object a line without a secret, and sends the spans of what has ended to a collector", async () => {
  const bodies: string[] = [];
  let onSpans: () => void = () => {};
  const sent = new Promise<void>((resolve) => (onSpans = resolve));
  const collector = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (piece: string) => (body += piece));
    request.on("end", () => {
      bodies.push(body);
      response.end("{}");
      onSpans();
    });
  }).listen(0, "127.0.0.1");
  await once(collector, "listening");
  const cwd = await makeFolder({ "jobs.mjs": LEAKY_JOBS });
  const database = `${url}?schema=fleet_log_${process.pid}`;
  const env = {
    SKEIN_DATA: database,
    MODEL_API_KEY: "planted-model-key",
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    OTEL_EXPORTER_OTLP_HEADERS: "api-key=planted-header-key",
  };
  await skein(cwd, ["fleet", "add", "greet", '"world"', "--id", "job_well"], env);
  await skein(cwd, ["fleet", "add", "leak", '"now"', "--id", "job_leak"], env);
  const worker = startSkein(cwd, ["worker", "jobs.mjs", "--log", "json"], env);
  await worker.waitFor(/"job.ended".*job_well/);
  await worker.waitFor(/"job.ended".*job_leak/);
  await sent;
  worker.kill("SIGTERM");
  expect(await worker.ended).toBe(0);
  collector.closeAllConnections();
  collector.close();

  const lines = worker.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  for (const line of lines)
    expect(line).toMatchObject({ time: expect.any(String), level: expect.any(String), event: expect.any(String) });
  const find = (event: string, jobId?: string): Record<string, unknown> | undefined =>
    lines.find((line) => line["event"] === event && (jobId === undefined || line["jobId"] === jobId));
  expect(find("worker.started")).toMatchObject({ jobs: ["leak", "greet"] });
  expect(find("job.started", "job_well")).toMatchObject({ level: "info", sessionId: "job_well", job: "greet" });
  expect(find("job.ended", "job_well")).toMatchObject({ outcome: "completed", durationMs: expect.any(Number) });
  expect(find("job.ended", "job_leak")).toMatchObject({ level: "error", outcome: "failed" });
  expect(find("worker.drained")).toBeDefined();
  const said = worker.lines.join("\n");
  expect(said).toContain("could not reach");
  expect(said).not.toContain("planted");
  expect(said).not.toContain(new URL(url).password || "no password");
  expect(bodies.join("")).toContain('"invoke_agent"');
  expect(bodies.join("")).not.toContain("hello world");
});

const LONG_JOBS = `
import { runTask } from ${JSON.stringify(ROOT)};
import { createIterableBackend } from ${JSON.stringify(ITERABLE)};
export default {
  async work({ job, store, sessionId, resume, signal }) {
    const backend = createIterableBackend("work", async function* () {
      yield { type: "text.delta", text: resume ? "gone on" : "begun" };
      if (job.input === "long" && !resume) await new Promise(() => {});
    });
    await runTask({ task: "work", backend, store, sessionId, resume, signal });
  },
};
`;

/** This build with another version and other code in the function that the engine runs for a job, as the next release has. */
async function makeNextRelease(): Promise<string> {
  const project = join(import.meta.dirname, "..", "..");
  const release = await makeFolder({});
  await cp(join(project, "dist"), join(release, "dist"), { recursive: true });
  await symlink(join(project, "node_modules"), join(release, "node_modules"));
  const manifest = JSON.parse(await readFile(join(project, "package.json"), "utf8")) as Record<string, unknown>;
  await writeFile(join(release, "package.json"), JSON.stringify({ ...manifest, version: "99.0.0" }));
  const queue = join(release, "dist", "runtime", "fleet", "dbos", "dbos-queue.js");
  const code = await readFile(queue, "utf8");
  const changed = code.replace("this.#run(job),", "this.#run(job /* of the next release */),");
  expect(changed).not.toBe(code);
  await writeFile(queue, changed);
  return join(release, "dist", "cli", "main.js");
}

it("leaves nothing in the queue when the next release takes the place of this one", async () => {
  const cwd = await makeFolder({ "jobs.mjs": LONG_JOBS });
  const data = ["--data", `${url}?schema=fleet_deploy_${process.pid}`];
  const flags = ["--limit", "1", "--lease", "3s"];
  for (const [id, input] of Object.entries({ job_running: "long", job_waiting: "short" }))
    await skein(cwd, ["fleet", "add", "work", JSON.stringify(input), "--id", id, ...data]);
  const old = startSkein(cwd, ["worker", "jobs.mjs", "--log", "json", ...flags, ...data]);
  await old.waitFor(/"job.started".*job_running/);
  const tail = startSkein(cwd, ["tail", "job_running", "--json", ...data]);
  await tail.waitFor(/"run.started"/);
  tail.kill("SIGTERM");
  old.kill("SIGKILL");
  await old.ended;

  const next = startSkein(cwd, ["worker", "jobs.mjs", "--log", "json", ...flags, ...data], {}, await makeNextRelease());
  await next.waitFor(/"job.ended".*job_waiting/);
  await next.waitFor(/"job.ended".*job_running/);
  next.kill("SIGTERM");
  expect(await next.ended).toBe(0);
  expect((await skein(cwd, ["show", "job_running", "--json", ...data])).stdout).toContain("gone on");
  expect((await skein(cwd, ["show", "job_waiting", "--json", ...data])).stdout).toContain("begun");
});
