import { afterEach, expect, it } from "vitest";
import { createLocalQueue } from "./local-queue.ts";
import type { RunQueue } from "./run-queue.ts";
import { WorkerFigures } from "./worker-figures.ts";
import type { WorkerServer } from "./worker-server.ts";
import { openWorkerServer } from "./worker-server.ts";

let server: WorkerServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function open(figures: WorkerFigures, queue: RunQueue): Promise<(path: string) => Promise<Response>> {
  server = await openWorkerServer({ figures, queue, port: 0 });
  const { port } = server;
  return (path) => fetch(`http://127.0.0.1:${port}${path}`);
}

interface Family {
  readonly help: string;
  readonly type: string;
  readonly samples: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;

/** The text format of Prometheus, version 0.0.4, by its letter: a family is told of before its samples, once, and all of them stand together. */
function parseExposition(text: string): Map<string, Family> {
  expect(text.endsWith("\n")).toBe(true);
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let current: [name: string, family: Family] | undefined;
  let help: [name: string, text: string] | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const told = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`).exec(line);
    if (told?.[1] === "HELP") {
      help = [told[2] as string, told[3] as string];
      continue;
    }
    if (told !== null) {
      const [name, about] = help ?? [];
      expect(told[2]).toBe(name);
      expect(["counter", "gauge", "histogram", "summary", "untyped"]).toContain(told[3]);
      expect(families.has(name as string), `${name} is told of once`).toBe(false);
      current = [name as string, { help: about as string, type: told[3] as string, samples: [] }];
      families.set(...current);
      continue;
    }
    const sample = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`).exec(line);
    if (sample === null || current === undefined) throw new Error(`not the text format: ${line}`);
    const [, name = "", inBraces = "", value = ""] = sample;
    const [family, { type, samples }] = current;
    expect(type === "summary" ? [`${family}_sum`, `${family}_count`] : [family]).toContain(name);
    if (type === "counter") expect(name).toMatch(/_total$/);
    const labels: Record<string, string> = {};
    for (let rest = inBraces; rest !== "";) {
      const label = LABEL.exec(rest);
      if (label === null) throw new Error(`no label: ${rest}`);
      labels[label[1] as string] = (label[2] as string).replaceAll(/\\(.)/g, (_all, one: string) =>
        one === "n" ? "\n" : one,
      );
      rest = rest.slice(label[0].length);
    }
    const key = `${name}${JSON.stringify(labels)}`;
    expect(seen.has(key), `${key} stands once`).toBe(false);
    seen.add(key);
    expect(Number.isFinite(Number(value)) && value !== "").toBe(true);
    samples.push({ name, labels, value: Number(value) });
  }
  return families;
}

const HOSTILE = 'a "tenant" \\ of\ntwo lines {x="y"}';

it("gives its figures in the text format of Prometheus, whatever jobs and tenants are called", async () => {
  const figures = new WorkerFigures();
  figures.isReady = true;
  figures.add(HOSTILE, "completed", 1_500);
  figures.add("job", "failed", 500);
  const queue = createLocalQueue();
  await queue.add({ id: "one", name: "job", tenant: HOSTILE });
  await queue.add({ id: "two", name: "job" });
  const ask = await open(figures, queue);
  const response = await ask("/metrics");
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const families = parseExposition(await response.text());
  for (const name of families.keys()) expect(name).toMatch(/^skein_[a-z_]+$/);
  const valuesOf = (name: string): unknown => families.get(name)?.samples.map(({ labels, value }) => [labels, value]);
  expect(valuesOf("skein_worker_ready")).toEqual([[{}, 1]]);
  expect(valuesOf("skein_queue_up")).toEqual([[{}, 1]]);
  expect(valuesOf("skein_queue_jobs")).toHaveLength(2);
  expect(valuesOf("skein_queue_jobs")).toContainEqual([{ state: "queued", tenant: HOSTILE }, 1]);
  expect(valuesOf("skein_queue_jobs")).toContainEqual([{ state: "queued", tenant: "default" }, 1]);
  expect(families.get("skein_worker_job_seconds")?.samples).toEqual([
    { name: "skein_worker_job_seconds_count", labels: { job: HOSTILE, outcome: "completed" }, value: 1 },
    { name: "skein_worker_job_seconds_sum", labels: { job: HOSTILE, outcome: "completed" }, value: 1.5 },
    { name: "skein_worker_job_seconds_count", labels: { job: "job", outcome: "failed" }, value: 1 },
    { name: "skein_worker_job_seconds_sum", labels: { job: "job", outcome: "failed" }, value: 0.5 },
  ]);
  await queue.close();
});

it("gives its own figures while the database is away, and says that it is", async () => {
  const queue = createLocalQueue();
  const away: RunQueue = {
    ...queue,
    add: (job) => queue.add(job),
    jobs: () => Promise.reject(new Error("connection refused to planted-password")),
    workers: () => Promise.reject(new Error("connection refused")),
  };
  const ask = await open(new WorkerFigures(), away);
  const text = await (await ask("/metrics")).text();
  const families = parseExposition(text);
  expect(families.get("skein_queue_up")?.samples).toMatchObject([{ value: 0 }]);
  expect(families.get("skein_worker_ready")?.samples).toMatchObject([{ value: 0 }]);
  expect(families.has("skein_queue_jobs")).toBe(false);
  expect(text).not.toContain("planted");
  await queue.close();
});

it("is alive from the start, ready only while it takes jobs, and changes nothing for anybody", async () => {
  const figures = new WorkerFigures();
  const queue = createLocalQueue();
  const ask = await open(figures, queue);
  expect((await ask("/healthz")).status).toBe(200);
  expect((await ask("/readyz")).status).toBe(503);
  figures.isReady = true;
  expect((await ask("/readyz?verbose=1")).status).toBe(200);
  figures.isReady = false;
  expect((await ask("/readyz")).status).toBe(503);
  expect((await ask("/nothing")).status).toBe(404);
  const post = await fetch(`http://127.0.0.1:${server?.port}/metrics`, { method: "POST", body: "x" });
  expect(post.status).toBe(405);
  await queue.close();
});
