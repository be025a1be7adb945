/// <reference lib="dom" />
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import type { SessionStore, StoredEvent } from "skein";
import { createIterableBackend } from "skein/backend/iterable";
import {
  AccessTokens,
  createApp,
  openServer,
  type SkeinApp,
  type SkeinServer,
  type TaskDefinition,
} from "skein/server";
import { openSqliteStore } from "skein/store/sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findSeriousFaults, openBrowser, watchPage, whyNoBrowser } from "./chromium.test.support.ts";

const patient = { timeout: 120_000 };

const tasks: Record<string, TaskDefinition> = {
  ask: {
    description: "asks before it deletes",
    backend: (_input, { answered }) =>
      createIterableBackend("ask", async function* ask() {
        yield { type: "text.delta", text: "I look." };
        yield {
          type: "permission.requested",
          requestId: "q1",
          title: "Delete <b>everything</b>?",
          options: [
            { optionId: "no", name: "Keep it", kind: "reject_once" },
            { optionId: "yes", name: "Delete it", kind: "allow_once" },
          ],
        };
        const { optionId, by } = await answered("q1");
        yield { type: "permission.answered", requestId: "q1", by, ...(optionId === undefined ? {} : { optionId }) };
        yield { type: "text.delta", text: `So: ${optionId ?? "turned down"}.` };
      }),
  },
  talk: {
    backend: createIterableBackend("talk", async function* talk({ prompt }, { signal }) {
      yield { type: "text.delta", text: `You said ${prompt}.` };
      if (prompt === "wait" && !signal.aborted) await once(signal, "abort");
    }),
  },
};

describe.skipIf(whyNoBrowser !== undefined)(
  `what can be done from the page${whyNoBrowser === undefined ? "" : ` (${whyNoBrowser})`}`,
  () => {
    let folder: string;
    let store: SessionStore;
    let app: SkeinApp;
    let server: SkeinServer;
    let browser: Browser;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "skein-actions-"));
      store = await openSqliteStore(join(folder, "skein.db"));
      app = createApp({ store, inspector: true, tasks });
      server = await openServer({ app, port: 0 });
      browser = await openBrowser();
    }, 120_000);

    afterAll(async () => {
      await browser?.close();
      await app?.close();
      await server?.close();
      await store?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    async function visit(hash: string): Promise<{ page: Page; incidents: string[] }> {
      const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
      page.setDefaultTimeout(120_000);
      const incidents = watchPage(page, server.url);
      await page.goto(`${server.url}/${hash}`);
      return { page, incidents };
    }

    /** Presses a key once what it stands for is offered, and no dialog has the keys any more. */
    async function press(page: Page, key: string, button: string): Promise<void> {
      await page.locator("dialog[open]").waitFor({ state: "detached", ...patient });
      await page.getByRole("button", { name: button, exact: true }).waitFor(patient);
      await page.keyboard.press(key);
    }

    async function start(name: string, prompt: string): Promise<string> {
      const answer = await fetch(`${server.url}/api/runs`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name, input: { prompt } }),
      });
      return ((await answer.json()) as { sessionId: string }).sessionId;
    }

    async function eventOf(sessionId: string, type: StoredEvent["type"]): Promise<StoredEvent | undefined> {
      for await (const event of store.read(sessionId)) if (event.type === type) return event;
      return undefined;
    }

    it("shows what a run asks, with its answers, and hands on the one that is given by keys", patient, async () => {
      const id = await start("ask", "clean up");
      const { page, incidents } = await visit(`#/session/${id}`);
      const question = page.getByLabel("Waits for an answer");
      await question.getByText("Delete <b>everything</b>?").waitFor(patient);
      expect(await findSeriousFaults(page)).toEqual([]);
      await page.setViewportSize({ width: 360, height: 740 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
      await page.setViewportSize({ width: 1280, height: 800 });
      // One key alone grants nothing.
      await page.keyboard.press("2");
      const yes = question.getByRole("button", { name: "Delete it" });
      await expect.poll(() => yes.evaluate((button) => button === document.activeElement)).toBe(true);
      expect(await eventOf(id, "permission.answered")).toBeUndefined();
      await page.keyboard.press("Enter");
      await page.getByText("So: yes.").waitFor(patient);
      await question.waitFor({ state: "detached", ...patient });
      expect(await eventOf(id, "permission.answered")).toMatchObject({ requestId: "q1", optionId: "yes", by: "local" });
      await page.getByText("answered: Delete it, by local").waitFor(patient);
      expect(incidents).toEqual([]);
      await page.close();
    });

    it("takes an answer by a click, and one that turns the question down", patient, async () => {
      const id = await start("ask", "clean up");
      const { page, incidents } = await visit(`#/session/${id}`);
      await page.getByRole("button", { name: "None of these" }).click();
      await page.getByText("So: turned down.").waitFor(patient);
      expect(await eventOf(id, "permission.answered")).not.toHaveProperty("optionId");
      // A question that somebody else answered goes away here too.
      const other = await start("ask", "clean up");
      await page.goto(`${server.url}/#/session/${other}`);
      await page.getByRole("button", { name: "Keep it" }).waitFor(patient);
      await app.request(`http://localhost/api/runs/${other}/answer`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ requestId: "q1", optionId: "no" }),
      });
      await page.getByText("So: no.").waitFor(patient);
      await page.getByRole("button", { name: "Keep it" }).waitFor({ state: "detached", ...patient });
      expect(incidents).toEqual([]);
      await page.close();
    });

    it("starts a run, aborts it, resumes it with another input, and forks it at an event", patient, async () => {
      const { page, incidents } = await visit("");
      await page
        .getByText(/\d sessions?/)
        .first()
        .waitFor(patient);
      await press(page, "n", "New run");
      const dialog = page.getByRole("dialog", { name: "New run" });
      await dialog.getByLabel("What").selectOption("talk");
      await dialog.getByLabel(/Prompt/).fill("{ broken");
      await page.getByRole("button", { name: "Start it" }).click();
      await dialog.getByRole("alert").getByText("JSON object").waitFor(patient);
      expect(await findSeriousFaults(page)).toEqual([]);
      await dialog.getByLabel(/Prompt/).fill("wait");
      await page.getByRole("button", { name: "Start it" }).click();
      await page.getByText("You said wait.").waitFor(patient);
      await press(page, "a", "Abort");
      await page.getByRole("button", { name: "Abort it" }).click();
      await page.locator(".session-head .status-aborted").waitFor(patient);

      await press(page, "R", "Resume");
      const resume = page.getByRole("dialog", { name: "Resume" });
      expect(await resume.getByLabel(/Prompt/).inputValue()).toBe("wait");
      await resume.getByLabel(/Prompt/).fill("more");
      await page.getByRole("button", { name: "Resume it" }).click();
      await page.getByText("You said more.").waitFor(patient);
      await page.locator(".session-head .status-completed").waitFor(patient);
      const parent = page.url();

      await press(page, "F", "Fork");
      const fork = page.getByRole("dialog", { name: "Fork" });
      await fork.getByLabel("After event").fill("2");
      await page.getByRole("button", { name: "Fork it" }).click();
      await page.waitForURL((url) => url.href !== parent, patient);
      await page.locator(".session-head .status-interrupted").waitFor(patient);
      const child = new URL(page.url()).hash.split("/")[2] ?? "";
      expect(await store.get(child)).toMatchObject({ forkedFrom: { atSeq: 2 } });
      await press(page, "R", "Resume");
      await page
        .getByRole("dialog", { name: "Resume" })
        .getByLabel(/Prompt/)
        .fill("elsewhere");
      await page.getByRole("button", { name: "Resume it" }).click();
      await page.getByText("You said elsewhere.").waitFor(patient);
      expect(incidents).toEqual([]);
      await page.close();
    });

    it("offers nothing to one who may only read", patient, async () => {
      const tokens = new AccessTokens();
      const { token } = tokens.issue({ scope: "read" });
      const id = await start("ask", "clean up");
      const guarded = createApp({ store, inspector: true, tasks, access: { tokens } });
      const door = await openServer({ app: guarded, port: 0 });
      const page = await (await browser.newContext()).newPage();
      await page.goto(`${door.url}/#token=${token}`);
      await page.goto(`${door.url}/#/session/${id}`);
      await page.getByLabel("Waits for an answer").getByText("Somebody who may write can answer it.").waitFor(patient);
      for (const name of ["Abort", "Fork", "Resume", "New run", "Keep it", "None of these"])
        expect(await page.getByRole("button", { name }).count()).toBe(0);
      await page.context().close();
      await guarded.close();
      await door.close();
      await app.request(`http://localhost/api/sessions/${id}/abort`, { method: "POST" });
    });
  },
);
