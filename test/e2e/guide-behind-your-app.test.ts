import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Browser, Page } from "playwright-core";
import type { StoredEvent } from "skein";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openBrowser, watchPage, whyNoBrowser } from "./chromium.test.support.ts";

const patient = { timeout: 120_000 };
const GUIDE = "docs/guides/put-it-behind-your-app.md";
const code = /^```ts\n([\s\S]*?)^```\n\nserves /m.exec(readFileSync(GUIDE, "utf8"))?.[1] ?? "";

let folder: string;
let program: string;
let browser: Browser | undefined;
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "skein-guide-"));
  // Inside the package, so that its name leads to what was built.
  const programs = resolve(".cache", "programs", "guides");
  mkdirSync(programs, { recursive: true });
  program = join(programs, "app.mjs");
  writeFileSync(program, code);
  if (whyNoBrowser === undefined) browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  for (const child of children) await kill(child);
  rmSync(folder, { recursive: true, force: true });
});

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** The guide's program, once it says where it listens. */
async function start(port: number): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [program], {
    cwd: folder,
    env: { ...process.env, PORT: String(port) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  for await (const url of createInterface({ input: child.stdout })) return { child, url };
  throw new Error("The program ended before it listened.");
}

const shown = async (page: Page): Promise<string> => (await page.locator("pre").textContent()) ?? "";

/** What the page should show of a session: its text, and how it ended. */
async function stored(url: string, page: Page): Promise<string> {
  const sessionId = new URL(page.url()).hash.slice(1);
  const answer = await fetch(`${url}/api/sessions/${sessionId}/events`, { headers: { accept: "application/json" } });
  const events = (await answer.json()) as StoredEvent[];
  return events
    .map((event) => (event.type === "text.delta" ? event.text : event.type === "final" ? event.status : ""))
    .join("");
}

it("has fewer than 40 lines", () => {
  const lines = code.trim().split("\n");
  expect(lines.length).toBeGreaterThan(20);
  expect(lines.length).toBeLessThan(40);
});

it.skipIf(whyNoBrowser !== undefined)(
  `L4: the guide's page goes on after a reload, and after its server was killed, and shows each event once${whyNoBrowser === undefined ? "" : ` (${whyNoBrowser})`}`,
  patient,
  async () => {
    const { child, url } = await start(0);
    const context = await (browser as Browser).newContext();
    const reloaded = await context.newPage();
    const incidents = watchPage(reloaded, url);
    await reloaded.goto(url);
    await reloaded.getByText("step 2 of 20").waitFor(patient);
    await reloaded.reload();
    await reloaded.getByText("completed").waitFor(patient);
    const whole = Array.from({ length: 20 }, (_, step) => `step ${step + 1} of 20\n`).join("");
    expect(await shown(reloaded)).toBe(`${whole}completed`);

    const open = await context.newPage();
    await open.goto(url);
    await open.getByText("step 2 of 20").waitFor(patient);
    await kill(child);
    const again = await start(Number(new URL(url).port));
    // Completed only where the machine was so slow that the run had ended before it could be killed.
    await open.getByText(/interrupted|completed/).waitFor(patient);
    expect(await shown(open)).toMatch(/^step 1 of 20\nstep 2 of 20\n/);
    expect(await shown(open)).toBe(await stored(again.url, open));
    expect(incidents).toEqual([]);
    await context.close();
  },
);
