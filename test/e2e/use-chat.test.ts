import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Browser, Page } from "playwright-core";
import type { SessionStore } from "skein";
import { createIterableBackend } from "skein/backend/iterable";
import { createApp, openServer, type SkeinApp, type SkeinServer } from "skein/server";
import { openSqliteStore } from "skein/store/sqlite";
import { build } from "vite";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { openBrowser, watchPage, whyNoBrowser } from "./chromium.test.support.ts";

const patient = { timeout: 120_000 };
const browserName = whyNoBrowser === undefined ? "" : ` (${whyNoBrowser})`;

let folder: string;
let database: string;
let store: SessionStore;
let app: SkeinApp;
/** Executes the runs; the page never talks to it. */
let executor: SkeinServer;
let browser: Browser | undefined;
const children: ChildProcess[] = [];

/** A word that the run says next, and may say once the test lets it. */
const gates = new Map<string, { readonly opened: Promise<void>; readonly open: () => void }>();
function gate(word: string): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const made = gates.get(word) ?? { opened, open };
  gates.set(word, made);
  return made;
}

const backend = createIterableBackend("agent", async function* agent({ prompt }, { signal }) {
  if (prompt === "wait for me") {
    yield { type: "text.delta", text: "I wait." };
    if (!signal.aborted) await once(signal, "abort");
    return;
  }
  yield { type: "reasoning.delta", text: "Counting is easy." };
  yield { type: "tool.started", toolCallId: "t", toolName: "abacus", args: { to: 4 } };
  yield { type: "tool.ended", toolCallId: "t", toolName: "abacus", status: "completed", result: 4 };
  for (const word of ["one", "two", "three", "four"]) {
    await gate(word).opened;
    yield { type: "text.delta", text: `${word} ` };
  }
});

beforeAll(async () => {
  if (whyNoBrowser !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), "skein-chat-"));
  database = join(folder, "skein.db");
  await build({
    configFile: false,
    root: resolve("test/e2e/chat-page"),
    logLevel: "error",
    oxc: { jsx: { runtime: "automatic", importSource: "react" } },
    build: {
      outDir: join(folder, "page"),
      emptyOutDir: true,
      target: "chrome120",
      reportCompressedSize: false,
      chunkSizeWarningLimit: 1000,
    },
  });
  store = await openSqliteStore(database);
  app = createApp({ store, tasks: { agent: { backend } } });
  executor = await openServer({ app, port: 0 });
  browser = await openBrowser();
}, 120_000);

afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
});

afterAll(async () => {
  await browser?.close();
  await app?.close();
  await executor?.close();
  await store?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** The server that the page talks to, once it listens. */
async function serve(port: number, ...more: string[]): Promise<{ child: ChildProcess; url: string; port: number }> {
  const child = spawn(
    process.execPath,
    ["test/e2e/chat-front.mjs", database, join(folder, "page"), String(port), ...more],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  children.push(child);
  for await (const line of createInterface({ input: child.stdout })) {
    return { child, ...(JSON.parse(line) as { url: string; port: number }) };
  }
  throw new Error("The server ended before it listened.");
}

interface Message {
  readonly role: string;
  readonly parts: readonly { readonly type: string; readonly text?: string }[];
}

/** What the page holds; without the numbers that the SDK gives to parts for itself. */
async function messagesOf(page: Page): Promise<Message[]> {
  const text = await page.locator("main script").textContent();
  return comparable(JSON.parse(text ?? "[]") as Message[]);
}

function comparable(messages: readonly Message[]): Message[] {
  return messages.map((message) => ({
    ...message,
    parts: message.parts.map((part) => (part.type === "reasoning" ? { ...part, id: undefined } : part)),
  }));
}

async function send(page: Page, text: string): Promise<void> {
  await page.getByLabel("Message").fill(text);
  await page.keyboard.press("Enter");
}

it.skipIf(whyNoBrowser !== undefined)(
  `L4: useChat goes on after a reload, and while its server is killed and started again, and has the same message in the end${browserName}`,
  patient,
  async () => {
    const first = await serve(0, executor.url);
    const page = await (browser as Browser).newPage();
    const incidents = watchPage(page, first.url);
    await page.goto(`${first.url}/#count`);
    await send(page, "count");
    const answer = page.locator("li[data-role=assistant]");
    await answer.getByText("abacus: output-available").waitFor(patient);
    gate("one").open();
    await answer.getByText("one", { exact: true }).waitFor(patient);

    await page.reload();
    await page.locator("li[data-role=user]").getByText("count").waitFor(patient);
    await answer.getByText("one", { exact: true }).waitFor(patient);
    gate("two").open();
    await answer.getByText("one two", { exact: true }).waitFor(patient);

    await kill(first.child);
    // The run goes on where it is executed, and nobody reads it.
    gate("three").open();
    for await (const event of store.tail("chat_count"))
      if (event.type === "text.delta" && event.text === "three ") break;
    await serve(first.port, executor.url);
    await answer.getByText("one two three", { exact: true }).waitFor(patient);
    gate("four").open();
    await answer.getByText("one two three four", { exact: true }).waitFor(patient);
    await page.getByRole("status").getByText("ready", { exact: true }).waitFor(patient);
    expect(await page.getByRole("alert").textContent()).toBe("");

    const held = await messagesOf(page);
    expect(held.map(({ role }) => role)).toEqual(["user", "assistant"]);
    expect(held[1]?.parts.map(({ type }) => type)).toEqual(["step-start", "reasoning", "dynamic-tool", "text"]);
    const past = (await (await fetch(`${executor.url}/api/chat/count`)).json()) as { messages: Message[] };
    // What the page wrote itself has no metadata, and neither has what the log makes of it.
    expect(held).toEqual(comparable(past.messages));
    await page.reload();
    await answer.getByText("one two three four", { exact: true }).waitFor(patient);
    await page.getByRole("status").getByText("ready", { exact: true }).waitFor(patient);
    expect(await messagesOf(page)).toEqual(held);

    // A reader that leaves ends nothing; the request of its own does.
    await send(page, "wait for me");
    await answer.getByText("I wait.").waitFor(patient);
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("status").getByText("ready", { exact: true }).waitFor(patient);
    expect(await store.get("chat_count")).toMatchObject({ status: "aborted" });
    expect(incidents).toEqual([]);
    await page.close();
  },
);

it.skipIf(whyNoBrowser !== undefined)(
  `L7: useChat is told that a run was interrupted with its server, keeps what was said, and goes on with the next message${browserName}`,
  patient,
  async () => {
    const first = await serve(0);
    const page = await (browser as Browser).newPage();
    const incidents = watchPage(page, first.url);
    await page.goto(`${first.url}/#cut`);
    await send(page, "life");
    const answer = page.locator("li[data-role=assistant]");
    await answer.getByText("About life:").waitFor(patient);
    await kill(first.child);
    await serve(first.port);
    await page.getByRole("alert").getByText("interrupted: owner_dead").waitFor(patient);
    expect(await answer.getByText("About life:").count()).toBe(1);
    await send(page, "again");
    await answer.getByText("About again: done.").waitFor(patient);
    await page.getByRole("status").getByText("ready", { exact: true }).waitFor(patient);
    expect(await page.locator("li").count()).toBe(4);
    expect(incidents).toEqual([]);
    await page.close();
  },
);
