import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Browser } from "playwright-core";
import type { StoredEvent } from "skein";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openBrowser, watchPage, whyNoBrowser } from "./chromium.test.support.ts";

const SKEIN = resolve("dist/cli/main.js");
const patient = { timeout: 120_000 };

let folder: string;
let browser: Browser | undefined;
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "skein-journey-"));
  cpSync("examples/packages/text-columns", join(folder, "text-columns"), { recursive: true });
  if (whyNoBrowser === undefined) browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  // An interrupt ends them in order, and a loop deletes its boxes then.
  for (const child of children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
    child.kill("SIGINT");
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    await once(child, "exit");
    clearTimeout(timer);
  }
  rmSync(folder, { recursive: true, force: true });
});

function skein(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [SKEIN, ...args, "--data", join(folder, "data")], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  return child;
}

/** A server of the command line, once it listens. */
async function serve(port: number): Promise<{ child: ChildProcess; url: string; port: number }> {
  const child = skein("serve", "--port", String(port), "--json");
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    return { child, ...(JSON.parse(line) as { url: string; port: number }) };
  }
  throw new Error("The server ended before it listened.");
}

it.skipIf(whyNoBrowser !== undefined)(
  `the whole way: a loop begins, is watched live, the server is killed and comes back, the loop ends, is replayed and compared${whyNoBrowser === undefined ? "" : ` (${whyNoBrowser})`}`,
  async () => {
    const first = await serve(0);
    const page = await (browser as Browser).newPage({ viewport: { width: 1280, height: 800 } });
    const incidents = watchPage(page, first.url);
    await page.goto(first.url);
    await page.getByText("No sessions yet.").waitFor();

    const loop = skein("loop", "text-columns", "--driver", "best-of-k", "--k", "2", "--concurrency", "1", "--json");
    const written: StoredEvent[] = [];
    const isOver = (async () => {
      for await (const line of createInterface({ input: loop.stdout as NodeJS.ReadableStream }))
        written.push(JSON.parse(line) as StoredEvent);
    })();
    const row = page.locator(".session-row").first();
    await row.locator(".status-running").waitFor(patient);
    await row.click();
    await page.locator("a.card").first().waitFor(patient);
    await page.locator("a.card.tone-live").first().click();
    await page.getByText("run the tests of text-columns").first().waitFor(patient);
    // The run is this other process's, and the page says so instead of pretending.
    await page.getByRole("link", { name: "text-columns" }).first().click();
    await page.keyboard.press("a");
    await page.getByRole("button", { name: "Abort it" }).click();
    await page.getByRole("alert").waitFor();
    await page.getByRole("button", { name: "Let it run" }).click();
    await page.goBack();

    first.child.kill("SIGKILL");
    await page.getByText("The server is away").waitFor(patient);
    const second = await serve(first.port);
    await page.getByText("The server is away").waitFor({ state: "detached", ...patient });
    await page.locator(".session-head .status-completed").waitFor(patient);
    await isOver;
    if (loop.exitCode === null) await once(loop, "exit");

    // What the page holds is what was written, no more and no less.
    const iteration = new URL(page.url()).hash.split("/")[2] ?? "";
    const own = written.filter(({ sessionId }) => sessionId === iteration);
    const count = own.length.toLocaleString("en-US");
    await page.getByText(`${count} / ${count}`).waitFor();
    expect(own.at(-1)?.type).toBe("final");
    const answer = await fetch(`${second.url}/api/sessions/${iteration}/events?limit=10000`, {
      headers: { accept: "application/json" },
    });
    expect(await answer.json()).toEqual(own);

    // Replay, at its own pace, then as fast as it goes.
    await page.getByRole("button", { name: "Play" }).click();
    await page.getByRole("button", { name: "to the end" }).waitFor();
    await page.getByLabel("Speed").selectOption("256");
    await page.getByRole("button", { name: "at the end" }).waitFor(patient);

    await page.keyboard.press("u");
    await page.locator("a.winner").waitFor(patient);
    expect(await page.locator("a.card").count()).toBe(2);
    await page.getByLabel("Compare #0", { exact: true }).check();
    await page.getByLabel("Compare #1", { exact: true }).check();
    await page.getByRole("button", { name: "Compare #0 with #1" }).click();
    await page.getByText(/in common, then they part|Both did the same|They part at once/).waitFor();
    await page.getByRole("button", { name: "files", exact: true }).click();
    await page.locator(".file").first().waitFor();
    expect(incidents).toEqual([]);
  },
  180_000,
);
