import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

let folder: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-cli-serve-"));
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

function start(
  args: readonly string[],
  env: Record<string, string> = {},
  command = "serve",
): { child: ChildProcess; said: () => string; ended: Promise<number | null> } {
  const child = spawn(
    process.execPath,
    ["dist/cli/main.js", ...command.split(" "), "--data", join(folder, "data"), ...args],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", SKEIN_TOKEN: "", ...env },
    },
  );
  children.push(child);
  let text = "";
  child.stderr?.on("data", (chunk) => (text += String(chunk)));
  child.stdout?.on("data", (chunk) => (text += String(chunk)));
  const ended = once(child, "close").then(([code]) => code as number | null);
  return { child, said: () => text, ended };
}

async function firstLine(child: ChildProcess): Promise<string> {
  const [line] = (await once(
    createInterface({ input: child.stdout as NonNullable<ChildProcess["stdout"]> }),
    "line",
  )) as [string];
  return line;
}

it(
  "says where it listens, serves, and ends in order at the first Ctrl-C, also while somebody reads",
  { timeout: 120_000 },
  async () => {
    const { child, ended } = start(["--port", "0", "--json"]);
    const { url, port } = JSON.parse(await firstLine(child)) as { url: string; port: number };
    expect(url).toBe(`http://127.0.0.1:${port}`);
    expect(await (await fetch(`${url}/api/sessions`)).json()).toEqual({ sessions: [] });
    const changes = (await fetch(`${url}/api/sessions/changes`)).text();
    child.kill("SIGINT");
    expect(await changes).toContain("sessions");
    expect(await ended).toBe(130);
  },
);

it("says that a port is taken, and what to do", { timeout: 120_000 }, async () => {
  const { child } = start(["--port", "0", "--json"]);
  const { port } = JSON.parse(await firstLine(child)) as { port: number };
  const second = start(["--port", String(port)]);
  expect(await second.ended).toBe(2);
  expect(second.said()).toMatch(/Port \d+ of 127\.0\.0\.1 is taken.*--port.*\[port_in_use\]/s);
});

it(
  "does not listen where others can reach it without a token, and with one lets nobody in without it",
  { timeout: 120_000 },
  async () => {
    const open = start(["--host", "0.0.0.0", "--port", "0"]);
    expect(await open.ended).toBe(2);
    expect(open.said()).toContain("SKEIN_TOKEN");
    const secret = "a-secret-of-enough-characters";
    const { child, said } = start(["--host", "0.0.0.0", "--port", "0", "--json"], { SKEIN_TOKEN: secret });
    const { port } = JSON.parse(await firstLine(child)) as { port: number };
    const url = `http://127.0.0.1:${port}/api/sessions`;
    expect((await fetch(url)).status).toBe(401);
    expect((await fetch(url, { headers: { authorization: "Bearer wrong" } })).status).toBe(401);
    expect((await fetch(url, { headers: { authorization: `Bearer ${secret}` } })).status).toBe(200);
    expect(said()).not.toContain(secret);
    const short = start(["--port", "0"], { SKEIN_TOKEN: "short" });
    expect(await short.ended).toBe(2);
    expect(short.said()).not.toContain("short;");
  },
);

const TASKS = `
import { createIterableBackend } from "skein/backend/iterable";
export const tasks = {
  echo: { backend: createIterableBackend("echo", async function* echo({ prompt }, { signal }) {
    yield { type: "text.delta", text: prompt };
    if (prompt !== "hold") return;
    await new Promise((resolve) => { process.once("SIGUSR2", resolve); signal.addEventListener("abort", resolve); });
    yield { type: "text.delta", text: " and on" };
  }) },
};`;

it(
  "sends the spans of each run that it executes to a collector, once, also of a second run in the same session",
  { timeout: 120_000 },
  async () => {
    const spans: { name: string; spanId: string }[] = [];
    let hear: () => void = () => {};
    const collector = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (piece: string) => (body += piece));
      request.on("end", () => {
        const { resourceSpans } = JSON.parse(body) as {
          resourceSpans: { scopeSpans: { spans: { name: string; spanId: string }[] }[] }[];
        };
        spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
        response.end("{}");
        hear();
      });
    }).listen(0, "127.0.0.1");
    await once(collector, "listening");
    await using module = await inPackage(TASKS);
    const { child, ended } = start(["--port", "0", "--json", "--tasks", module.path], {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    });
    const { url } = JSON.parse(await firstLine(child)) as { url: string };
    const post = async (path: string, body: object): Promise<{ sessionId: string }> => {
      const heard = new Promise<void>((resolved) => (hear = resolved));
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${url}/api/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
      expect(answer.ok).toBe(true);
      await heard;
      return (await answer.json()) as { sessionId: string };
    };
    const { sessionId } = await post("runs", { name: "echo", input: { prompt: "hi" } });
    expect(spans.map(({ name }) => name)).toContain("invoke_agent");
    const first = spans.length;
    await post(`runs/${sessionId}/resume`, { input: { prompt: "hi again" } });
    expect(spans.length).toBe(2 * first);
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    collector.closeAllConnections();
    collector.close();
  },
);

it(
  "starts the tasks of a module, and brings the runs that it executes to their end before it leaves",
  { timeout: 120_000 },
  async () => {
    // Inside the package, so that its name leads to what was built.
    await using module = await inPackage(TASKS);
    const { child, said, ended } = start(["--port", "0", "--json", "--tasks", module.path]);
    const { url } = JSON.parse(await firstLine(child)) as { url: string };
    expect(await (await fetch(`${url}/api/tasks`)).json()).toEqual({ tasks: [{ name: "echo", kind: "task" }] });
    const post = async (prompt: string): Promise<{ sessionId: string }> => {
      const body = JSON.stringify({ name: "echo", input: { prompt } });
      const answer = await fetch(`${url}/api/runs`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      expect(answer.status).toBe(201);
      return (await answer.json()) as { sessionId: string };
    };
    await post("hi");
    const { sessionId } = await post("hold");
    const live = await fetch(`${url}/api/sessions/${sessionId}/live`);
    const reader = (live.body as ReadableStream<Uint8Array>).getReader();
    for (let text = ""; !text.includes('"hold"}');) text += new TextDecoder().decode((await reader.read()).value);
    child.kill("SIGINT");
    await new Promise<void>((resolve) =>
      child.stderr?.on("data", () => said().includes("waits for 1 run") && resolve()),
    );
    child.kill("SIGUSR2");
    expect(await ended).toBe(130);
    const shown = start([sessionId, "--json"], {}, "show");
    expect(await shown.ended).toBe(0);
    expect(shown.said()).toContain("and on");
    expect(shown.said()).toContain('"completed"');
  },
);

it.each([
  ["export const nothing = 1;", "neither `tasks` nor `loops`"],
  ["export const tasks = { echo: {} };", "tasks.echo has no `backend`"],
  ['export const tasks = { "a b": { backend: {} } };', "is no name"],
  ["export const loops = { one: {} };", "loops.one has no `settings`"],
  ['throw new Error("it broke");', "it broke"],
])("refuses tasks that are none: %s", { timeout: 120_000 }, async (code, fault) => {
  const file = join(folder, "tasks.mjs");
  await writeFile(file, code);
  const { said, ended } = start(["--port", "0", "--tasks", file]);
  expect(await ended).toBe(2);
  expect(said()).toContain(fault);
});

it(
  "lets those in whose tokens were issued, and no more when they are revoked, while it runs",
  { timeout: 120_000 },
  async () => {
    const issue = async (...more: string[]): Promise<{ token: string; id: string }> => {
      const { said, ended } = start(["--json", ...more], {}, "tokens issue");
      expect(await ended).toBe(0);
      return JSON.parse(said()) as { token: string; id: string };
    };
    const first = await issue("--scope", "write", "--name", "operator");
    const { child } = start(["--host", "0.0.0.0", "--port", "0", "--json"]);
    const { port } = JSON.parse(await firstLine(child)) as { port: number };
    const url = `http://127.0.0.1:${port}`;
    const ask = async (token: string, path = "/api/sessions"): Promise<number> =>
      (await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } })).status;
    expect(await ask(first.token)).toBe(200);
    const second = await issue("--scope", "session:run_1", "--expires", "1h");
    await vi.waitUntil(async () => (await ask(second.token, "/api/access")) === 200, { timeout: 60_000 });
    expect(await ask(second.token)).toBe(403);
    const listed = start(["--json"], {}, "tokens ls");
    expect(await listed.ended).toBe(0);
    expect(JSON.parse(listed.said())).toMatchObject([
      { id: first.id, scope: "write", name: "operator" },
      { id: second.id, scope: { session: "run_1" } },
    ]);
    expect(listed.said()).not.toContain(first.token);
    const open = await fetch(`${url}/api/sessions/changes`, { headers: { authorization: `Bearer ${first.token}` } });
    expect(await start([first.id], {}, "tokens revoke").ended).toBe(0);
    // The stream that it opened ends, and nothing opens any more.
    await open.text();
    expect(await ask(first.token)).toBe(401);
    expect(await start([first.id], {}, "tokens revoke").ended).not.toBe(0);
  },
);

it(
  "is open to this machine until the first token is issued, and never again from then on",
  { timeout: 120_000 },
  async () => {
    const { child } = start(["--port", "0", "--json"]);
    const { url } = JSON.parse(await firstLine(child)) as { url: string };
    const ask = async (token?: string): Promise<number> =>
      (await fetch(`${url}/api/sessions`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }))
        .status;
    expect(await ask()).toBe(200);
    const open = await fetch(`${url}/api/sessions/changes`);
    const issued = start(["--json", "--scope", "read"], {}, "tokens issue");
    expect(await issued.ended).toBe(0);
    const { token, id } = JSON.parse(issued.said()) as { token: string; id: string };
    // The very next request is asked for it, and what was begun without one ends.
    expect(await ask()).toBe(401);
    await open.text();
    expect(await ask(token)).toBe(200);
    expect(await start([id], {}, "tokens revoke").ended).toBe(0);
    await vi.waitUntil(async () => (await ask(token)) === 401, { timeout: 60_000 });
    expect(await ask()).toBe(401);
  },
);

it(
  "hands the answer of a person to an agent that another process runs, and says by whom it was",
  { timeout: 120_000 },
  async () => {
    const run = start(
      "--no-workspace --agent scripted --containment none --json --permissions ask --session run_q"
        .split(" ")
        .concat(["permission delete it"]),
      {},
      "run",
    );
    const lines = createInterface({ input: run.child.stdout as NonNullable<ChildProcess["stdout"]> });
    let asked = "";
    for await (const line of lines) if ((asked = line).includes("permission.requested")) break;
    const { requestId } = JSON.parse(asked) as { requestId: string };
    const { child } = start(["--port", "0", "--json"]);
    const { url } = JSON.parse(await firstLine(child)) as { url: string };
    const answer = async (optionId: string | null, id = requestId): Promise<number> =>
      (
        await fetch(`${url}/api/runs/run_q/answer`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ requestId: id, optionId }),
        })
      ).status;
    expect(await answer("yes", "none")).toBe(404);
    expect(await answer("maybe")).toBe(400);
    expect(await answer("yes")).toBe(202);
    expect(await run.ended).toBe(0);
    expect(run.said()).toMatch(/"type":"permission.answered".*"optionId":"yes","by":"http:local"/);
    expect(await answer("yes")).toBe(404);
  },
);

async function inPackage(code: string): Promise<AsyncDisposable & { path: string }> {
  const programs = resolve(".cache", "programs");
  await mkdir(programs, { recursive: true });
  const place = await mkdtemp(join(programs, "serve-"));
  const path = join(place, "tasks.mjs");
  await writeFile(path, code);
  return { path, [Symbol.asyncDispose]: () => rm(place, { recursive: true, force: true }) };
}
