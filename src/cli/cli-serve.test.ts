import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, it } from "vitest";

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
): { child: ChildProcess; said: () => string; ended: Promise<number | null> } {
  const child = spawn(process.execPath, ["dist/cli/main.js", "serve", "--data", join(folder, "data"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", SKEIN_TOKEN: "", ...env },
  });
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
