import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import type { StoredEvent } from "skein";
import { openLocalSandbox } from "skein/sandbox/local";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findSeriousFaults, keepPicture, openBrowser, watchPage, whyNoBrowser } from "./chromium.test.support.ts";

const SKEIN = resolve("dist/cli/main.js");
const LOOPS = fileURLToPath(new URL("./inspector-loops.mjs", import.meta.url));
const patient = { timeout: 120_000 };

let folder: string;
let browser: Browser | undefined;
const servers: ChildProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "skein-loop-page-"));
  if (whyNoBrowser === undefined) browser = await openBrowser();
}, 120_000);

afterAll(async () => {
  await browser?.close();
  for (const server of servers.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
    server.kill("SIGKILL");
    await once(server, "exit");
  }
  const boxes = await openLocalSandbox({ directory: join(folder, "boxes"), containment: "none" });
  for (const { id } of await boxes.list()) await (await boxes.attach(id))?.delete();
  await boxes.close();
  rmSync(folder, { recursive: true, force: true });
}, 120_000);

/** A server that executes loops itself, once it listens. */
async function serve(port: number): Promise<{ server: ChildProcess; url: string; port: number }> {
  const args = [SKEIN, "serve", "--tasks", LOOPS, "--port", String(port), "--json", "--data", join(folder, "data")];
  const server = spawn(process.execPath, args, { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  servers.push(server);
  for await (const line of createInterface({ input: server.stdout })) {
    return { server, ...(JSON.parse(line) as { url: string; port: number }) };
  }
  throw new Error("The server ended before it listened.");
}

async function eventsOf(url: string, sessionId: string): Promise<StoredEvent[]> {
  const answer = await fetch(`${url}/api/sessions/${sessionId}/events?limit=10000`, {
    headers: { accept: "application/json" },
  });
  return (await answer.json()) as StoredEvent[];
}

const sessionOf = (page: Page): string => new URL(page.url()).hash.split("/")[2] ?? "";

it.skipIf(whyNoBrowser !== undefined)(
  `a loop from its page: begun, seen to fork, left waiting by a server that is killed, resumed and answered, replayed, compared, forked, aborted${whyNoBrowser === undefined ? "" : ` (${whyNoBrowser})`}`,
  { timeout: 300_000 },
  async () => {
    const first = await serve(0);
    const { url } = first;
    const page = await (browser as Browser).newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(patient.timeout);
    const incidents = watchPage(page, url);
    await page.goto(url);
    await page.getByRole("button", { name: "New run" }).click();
    await page
      .getByRole("dialog", { name: "New run" })
      .getByLabel(/Prompt/)
      .fill("hello");
    await page.getByRole("button", { name: "Start it" }).click();

    // Two forks of what the first iteration did, each with a question that is the loop's too.
    const questions = page.getByLabel("Waits for an answer");
    await questions.nth(1).waitFor();
    const loop = sessionOf(page);
    const drawing = page.getByRole("group", { name: /The lineage of the loop/ });
    expect(await drawing.locator("a.card").count()).toBe(3);
    // One of them is the legend's.
    expect(await drawing.locator(".edge-files").count()).toBe(3);
    await questions.filter({ hasText: "Iteration #1 asks: go on with branch 0" }).waitFor();
    await questions.filter({ hasText: "Iteration #2 asks: go on with branch 1" }).waitFor();
    expect(await findSeriousFaults(page)).toEqual([]);
    await keepPicture(page, "loop-asks");

    first.server.kill("SIGKILL");
    await page.getByText("The server is away").waitFor();
    await keepPicture(page, "loop-server-away");
    await serve(first.port);
    await page.getByText("The server is away").waitFor({ state: "detached" });
    await page.locator(".session-head .status-interrupted").waitFor();
    expect(await questions.count()).toBe(0);
    await keepPicture(page, "loop-interrupted");

    // The boxes wait on, and so do their questions once the loop goes on.
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("button", { name: "Resume it" }).click();
    await questions.nth(1).waitFor();
    await page.keyboard.press("1");
    const chosen = questions.first().getByRole("button").first();
    await expect.poll(() => chosen.evaluate((button) => button === document.activeElement), patient).toBe(true);
    await page.keyboard.press("Enter");
    await questions.nth(1).waitFor({ state: "detached" });
    await questions.getByRole("link").click();
    await page.locator(".session-head .status-running").waitFor();
    await questions.getByText("The run asks:").waitFor();
    await questions.getByRole("button").first().click();
    await questions.waitFor({ state: "detached" });
    await page.keyboard.press("u");
    await drawing.locator("a.winner").waitFor();
    await page.locator(".session-head .status-completed").waitFor();
    await keepPicture(page, "loop-completed");
    const log = await eventsOf(url, loop);
    expect(log.filter(({ type }) => type === "run.started")).toHaveLength(2);
    const began = log.flatMap((event) =>
      event.type === "iteration.started" ? [`#${event.index} ${event.reason ?? "begins"}`] : [],
    );
    // The branches are made side by side, so they begin in either order.
    const wanted = ["#0 begins", "#1 begins", "#1 goes on in its box", "#2 begins", "#2 goes on in its box"];
    expect(began.toSorted()).toEqual(wanted);
    for (const branch of [1, 2]) {
      const own = await eventsOf(url, `${loop}.${branch}`);
      expect(own.filter(({ type }) => type === "permission.requested")).toHaveLength(1);
      expect(own.filter(({ type }) => type === "permission.answered")).toMatchObject([{ by: "local" }]);
    }

    // Replayed: the drawing goes back to its first round, and on.
    const prepared = log.find(({ type }) => type === "iteration.ended");
    await page.getByLabel("Position in the run").fill(String(prepared?.seq));
    await expect.poll(() => drawing.locator("a.card").count(), patient).toBe(1);
    await page.getByLabel("Speed").selectOption("256");
    await page.getByRole("button", { name: "Play" }).click();
    await page.getByRole("button", { name: "at the end" }).waitFor();
    expect(await drawing.locator("a.card").count()).toBe(3);

    await page.getByLabel("Compare #1", { exact: true }).check();
    await page.getByLabel("Compare #2", { exact: true }).check();
    await page.getByRole("button", { name: "Compare #1 with #2" }).click();
    await page.getByText("here they part", { exact: true }).waitFor();
    await keepPicture(page, "loop-compare");
    await page.goto(`${url}/#/session/${loop}`);

    // A fork after the first round goes its own way, from that round's checkpoint.
    await page.getByRole("button", { name: "Fork" }).click();
    await page.getByRole("dialog", { name: "Fork" }).getByLabel("After round").selectOption("0");
    await keepPicture(page, "loop-fork");
    await page.getByRole("button", { name: "Fork it" }).click();
    await page.waitForURL((to) => to.hash !== `#/session/${loop}`);
    await questions.nth(1).waitFor();
    await page.getByRole("link", { name: new RegExp(`^${loop}, event`) }).waitFor();
    expect(await drawing.locator("a.card").count()).toBe(3);

    await page.getByRole("button", { name: "Abort" }).click();
    await page.getByRole("button", { name: "Abort it" }).click();
    await page.locator(".session-head .status-aborted").waitFor();
    expect(await questions.count()).toBe(0);
    await keepPicture(page, "loop-fork-aborted");
    expect(incidents).toEqual([]);
  },
);
