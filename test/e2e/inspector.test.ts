/// <reference lib="dom" />
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import type { EventBody, SessionStore } from "skein";
import { createIterableBackend } from "skein/backend/iterable";
import { AccessTokens, createApp, openServer, type SkeinApp, type SkeinServer } from "skein/server";
import { openSqliteStore } from "skein/store/sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findSeriousFaults, openBrowser, watchPage, whyNoBrowser } from "./chromium.test.support.ts";
import { failedRun, longRun, runBeam, tool, writeSession } from "./inspector-sessions.test.support.ts";

const LONG = 100_000;
const patience = { timeout: 20_000, interval: 20 };

describe.skipIf(whyNoBrowser !== undefined)(
  `the inspector${whyNoBrowser === undefined ? "" : ` (${whyNoBrowser})`}`,
  () => {
    let folder: string;
    let store: SessionStore;
    let app: SkeinApp;
    let server: SkeinServer;
    let browser: Browser;
    let loopId: string;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "skein-inspector-"));
      store = await openSqliteStore(join(folder, "skein.db"));
      loopId = await runBeam(store);
      await writeSession(store, "failed-run", failedRun());
      await writeSession(store, "interrupted-run", [
        { type: "run.started", kind: "task", task: "Make the tests pass." },
        { type: "final", status: "interrupted", reason: "owner_dead", usage: {}, durationMs: 1200 },
      ]);
      await writeSession(store, "long-run", longRun(LONG));
      await writeSession(store, "hostile-run", hostileRun());
      app = createApp({ store, inspector: true, tasks: { wait: { backend: waiting } } });
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

    async function visit(
      hash: string,
      options: { readonly width?: number; readonly scheme?: "light" | "dark" } = {},
    ): Promise<{ page: Page; incidents: string[] }> {
      const { width = 1280, scheme = "light" } = options;
      const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme: scheme });
      page.setDefaultTimeout(120_000);
      const incidents = watchPage(page, server.url);
      await page.goto(`${server.url}/${hash}`);
      return { page, incidents };
    }

    it("lists sessions, finds them by words and status, and opens one by keys", async () => {
      const { page, incidents } = await visit("");
      await page.getByText("5 sessions").waitFor();
      await page.keyboard.press("/");
      await page.keyboard.type("spell");
      await page.getByText("1 session", { exact: true }).waitFor();
      await page.keyboard.press("Escape");
      await page.getByLabel("Status").selectOption("failed");
      await page.getByText("2 sessions", { exact: true }).waitFor();
      await page.keyboard.press("Escape");
      await page.locator(".bar").click();
      await page.keyboard.press("j");
      await page.keyboard.press("j");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "failed-run" }).waitFor();
      expect(incidents).toEqual([]);
      await page.close();
    });

    it("opens a failed run on its failure, with the reason above it", async () => {
      const { page, incidents } = await visit("#/session/failed-run");
      await page.getByLabel("Why it ended").getByText("529: overloaded").waitFor();
      const failure = page.locator(".block-failure.selected");
      await failure.getByText("the backend model failed").waitFor();
      await expect.poll(() => failure.evaluate(isSeen), patience).toBe(true);
      // The failures before it are one key away each.
      await page.keyboard.press("E");
      await page.locator(".block-tool.fails.selected").waitFor();
      expect(incidents).toEqual([]);
      await page.close();
    });

    it("says in words why a run was interrupted, with the code at hand", async () => {
      const { page, incidents } = await visit("#/session/interrupted-run");
      await page.getByLabel("Why it ended").getByText("Ended as interrupted: its process died.").waitFor();
      const said = page.locator(".end-line").getByText("its process died");
      expect(await said.getAttribute("title")).toBe("owner_dead");
      expect(incidents).toEqual([]);
      await page.close();
    });

    it("merges deltas, pairs tools, and shows the stored events with one key", async () => {
      const { page } = await visit("#/session/failed-run/timeline");
      await page.locator(".block-failure.selected").waitFor();
      await page.keyboard.press("g");
      await page.locator(".block-prompt.selected").waitFor();
      await page.keyboard.press("j");
      await page.keyboard.press("Enter");
      const block = page.locator(".block-tool.selected");
      await block.getByText("command").waitFor();
      await page.keyboard.press("r");
      const raw = page.getByLabel("Raw events");
      await raw.getByText("2 events from 2").waitFor();
      expect(await raw.locator("pre").textContent()).toContain('"type": "tool.ended"');
      await page.keyboard.press("Escape");
      await raw.waitFor({ state: "detached" });
      await page.keyboard.press("/");
      await page.keyboard.type("npm test 33");
      await expect.poll(() => page.locator(".timeline .block").count(), patience).toBe(1);
      await page.close();
    });

    it("draws the lineage with rounds, forks, scores, cost and the winner, and leads to an iteration and back", async () => {
      const { page, incidents } = await visit(`#/session/${loopId}`);
      const drawing = page.getByRole("group", { name: /The lineage of the loop/ });
      await drawing.getByText("round 1").waitFor();
      expect(await drawing.locator(".edge-memory").count()).toBeGreaterThan(3);
      expect(await drawing.locator("a.winner").count()).toBe(1);
      expect(await drawing.locator("a.winner .card-winner").textContent()).toContain("winner");
      await drawing.locator("a.card").first().click();
      await page.getByText("The word is now").waitFor();
      await page.keyboard.press("u");
      await drawing.waitFor();
      await page.getByRole("link", { name: "usage" }).click();
      await page.getByText("Tokens by branch").waitFor();
      await page.getByRole("row", { name: /large/ }).waitFor();
      expect(await page.getByText("not reported").count()).toBeGreaterThan(0);
      expect(incidents).toEqual([]);
      await page.close();
    });

    it("puts two branches side by side, with what they share, where they part, and their files", async () => {
      const { page, incidents } = await visit(`#/session/${loopId}`);
      await page.getByLabel("Compare #2", { exact: true }).check();
      await page.getByLabel("Compare #3", { exact: true }).check();
      await page.locator(".bar").click({ position: { x: 300, y: 10 } });
      await page.keyboard.press("c");
      await page
        .getByText(
          /Both descend from #\d\. \d+ blocks in common, then they part: left at event \d+, right at event \d+/,
        )
        .waitFor();
      await page.getByText("here they part", { exact: true }).waitFor();
      await page.keyboard.press("d");
      await page.locator(".file-differs").waitFor();
      expect(await page.locator(".file-side").count()).toBe(2);
      await page.keyboard.press("u");
      await page.getByRole("group", { name: /The lineage of the loop/ }).waitFor();
      expect(incidents).toEqual([]);
      await page.close();
    });

    it("goes through a run event by event, and plays it again", async () => {
      const { page } = await visit("#/session/failed-run");
      await page.locator(".block-failure.selected").waitFor();
      const position = page.getByLabel("Position in the run");
      await position.fill("2");
      await page.getByText("2 / 123").waitFor();
      // The tool has begun and not ended.
      await page.locator(".block-tool .status-running").waitFor();
      expect(await page.locator(".timeline .block").count()).toBe(2);
      await page.locator(".bar").click({ position: { x: 300, y: 10 } });
      await page.keyboard.press(".");
      await page.getByText("3 / 123").waitFor();
      expect(await page.locator(".block-tool .status-running").count()).toBe(0);
      await page.getByLabel("Speed").selectOption("256");
      await page.getByRole("button", { name: "Play" }).click();
      await page.getByText("123 / 123").waitFor();
      await page.close();
    });

    it("shows an event within 200 ms of its commit, and goes on by itself when the server was away", async () => {
      const writer = await store.openWriter(
        (await store.create({ id: "live-run", kind: "task", labels: { title: "live-run" } })).id,
      );
      await writer.append([{ type: "run.started", kind: "task", task: "Watch me." }]);
      const { page, incidents } = await visit("#/session/live-run");
      await page.getByText("Watch me.").first().waitFor();
      await page.locator(".session-head .status-running").waitFor();
      // Told by the page itself, so that the way back to this process is not measured.
      await page.evaluate(() => {
        const seen: Record<string, number> = {};
        (globalThis as unknown as { seen: typeof seen }).seen = seen;
        new MutationObserver(() => {
          const { textContent } = document.querySelector(".timeline") ?? { textContent: "" };
          for (const [mark] of (textContent ?? "").matchAll(/mark-\d+;/g)) seen[mark] ??= Date.now();
        }).observe(document.body, { subtree: true, childList: true, characterData: true });
      });
      const took: number[] = [];
      for (let at = 0; at < 20; at++) {
        const [event] = await writer.append([{ type: "text.delta", text: `mark-${at}; ` }]);
        const committedAt = Date.now();
        expect(event?.seq).toBe(at + 2);
        const read = (): Promise<number | undefined> =>
          page.evaluate(
            (mark) => (globalThis as unknown as { seen: Record<string, number> }).seen[mark],
            `mark-${at};`,
          );
        await expect.poll(read, patience).toBeTypeOf("number");
        took.push(((await read()) as number) - committedAt);
      }
      took.sort((a, b) => a - b);
      // The slowest few are the machine's, which other tests keep busy.
      expect(took[10]).toBeLessThan(200);

      const { port } = server;
      await app.close();
      await server.close();
      await page.getByText("The server is away").waitFor();
      await writer.append([{ type: "text.delta", text: "while it was away" }]);
      app = createApp({ store, inspector: true, tasks: { wait: { backend: waiting } } });
      server = await openServer({ app, port });
      await page.getByText("while it was away").waitFor();
      await page.getByText("The server is away").waitFor({ state: "detached" });
      await writer.append([{ type: "final", status: "completed", reason: "completed", usage: {}, durationMs: 5 }]);
      await page.locator(".session-head .status-completed").waitFor();
      const text = (await page.locator(".timeline").textContent()) ?? "";
      expect([...text.matchAll(/mark-\d+;/g)].map(([mark]) => mark)).toEqual(
        Array.from({ length: 20 }, (_mark, at) => `mark-${at};`),
      );
      await writer.close();
      expect(incidents).toEqual([]);
      await page.close();
      await store.delete("live-run");
    });

    it(`has few elements in the page for a run of ${LONG.toLocaleString("en-US")} events, and reaches both ends`, async () => {
      const { page, incidents } = await visit("#/session/long-run");
      await page.locator(".block-prompt").waitFor();
      await page.getByText(`${LONG.toLocaleString("en-US")} / ${LONG.toLocaleString("en-US")}`).waitFor();
      await page.keyboard.press("G");
      const end = page.locator(".block-end.selected");
      await end.waitFor();
      await expect.poll(() => end.evaluate(isSeen), patience).toBe(true);
      expect(await page.locator(".timeline .row").count()).toBeLessThan(150);
      await page.keyboard.press("g");
      await page.locator(".block-prompt.selected").waitFor();
      expect(incidents).toEqual([]);
      await page.close();
    });

    it("runs nothing, loads nothing and leads nowhere unsafe, whatever an agent wrote", async () => {
      const { page, incidents } = await visit("#/session/hostile-run");
      await page.locator(".block-end").waitFor();
      await page.keyboard.press("g");
      const seen: unknown[] = [];
      // Every block, unfolded.
      for (let block = 0; ; block++) {
        await page.keyboard.press("Enter");
        seen.push(await page.evaluate(look));
        const selected = page.locator(".timeline .selected");
        const before = await selected.getAttribute("data-seq");
        await page.keyboard.press("j");
        if ((await selected.getAttribute("data-seq")) === before) break;
      }
      expect(seen.length).toBeGreaterThan(20);
      for (const found of seen)
        expect(found).toEqual({ elements: [], handlers: [], links: [], controls: false, wide: false });
      // Raw JSON says what was hidden instead of doing it.
      await page.keyboard.press("g");
      await page.locator(".block-prompt.selected").waitFor();
      await page.keyboard.press("r");
      expect(await page.getByLabel("Raw events").locator("pre").textContent()).toContain("\\u202e");
      expect(incidents).toEqual([]);
      await page.close();
    });

    it("has a place for every key, and names them", async () => {
      const { page } = await visit("");
      await page.getByText("5 sessions").waitFor();
      await page.keyboard.press("?");
      await page.getByRole("dialog", { name: "Keys" }).waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("dialog", { name: "Keys" }).waitFor({ state: "detached" });
      const theme = (): Promise<string | null> => page.locator("html").getAttribute("data-theme");
      expect(await theme()).toBe("auto");
      await page.keyboard.press("d");
      await expect.poll(theme, patience).toBe("light");
      await page.reload();
      await expect.poll(theme, patience).toBe("light");
      await page.close();
    });

    it("aborts a run after a question, and shows what is left of it", async () => {
      const started = await fetch(`${server.url}/api/runs`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: "wait", input: { prompt: "Wait for me." } }),
      });
      const { sessionId: id } = (await started.json()) as { sessionId: string };
      const { page, incidents } = await visit(`#/session/${id}`);
      await page.getByText("I wait.").waitFor();
      await page.keyboard.press("a");
      await page.getByRole("button", { name: "Let it run" }).click();
      await page.locator(".session-head .status-running").waitFor();
      await page.keyboard.press("a");
      await page.getByRole("button", { name: "Abort it" }).click();
      await page.locator(".session-head .status-aborted").waitFor();
      await page.locator(".block-end .status-aborted").waitFor();
      await page.getByText("I wait.").waitFor();
      expect(incidents).toEqual([]);
      await page.close();
      await store.delete(id);
    });

    it("asks for the token of a server that demands one, or takes it from the address and hides it", async () => {
      const tokens = new AccessTokens();
      const { token } = tokens.issue({ scope: "read" });
      const guarded = createApp({ store, inspector: true, access: { tokens } });
      const door = await openServer({ app: guarded, port: 0 });
      const page = await (await browser.newContext()).newPage();
      const incidents = watchPage(page, door.url);
      await page.goto(door.url);
      await page.getByLabel("Token").fill(token);
      await page.getByRole("button", { name: "Use it" }).click();
      await page.getByText("failed-run").waitFor();
      const other = await (await browser.newContext()).newPage();
      await other.goto(`${door.url}/#token=${token}`);
      await other.getByText("failed-run").waitFor();
      expect(other.url()).not.toContain(token);
      expect(incidents).toEqual([]);
      await page.context().close();
      await other.context().close();
      await guarded.close();
      await door.close();
    });

    it("says what is not there", async () => {
      const { page, incidents } = await visit("#/session/nobody-knows-it");
      await page.getByText("This session is not here.").waitFor();
      await page.locator("main code").getByText("nobody-knows-it").waitFor();
      expect(incidents).toEqual([]);
      await page.close();
    });

    const views = (): [string, string, string][] => [
      ["", "failed-run", "list"],
      ["#/session/failed-run", "the backend model failed", "timeline"],
      ["#/session/interrupted-run", "its process died", "interrupted"],
      [`#/session/${loopId}`, "round 1", "lineage"],
      [`#/session/${loopId}/usage`, "Tokens by branch", "usage"],
      [`#/compare/${loopId}.2/${loopId}.3`, "here they part", "compare"],
      ["#/session/hostile-run", "the last tool", "hostile"],
    ];

    it("has nothing that axe finds serious, light and dark, and fits 360 pixels, in every view", async () => {
      for (const [hash, text, name] of views()) {
        const { page } = await visit(hash);
        await page.getByText(text).first().waitFor();
        for (const colorScheme of ["light", "dark"] as const) {
          await page.emulateMedia({ colorScheme });
          const serious = await findSeriousFaults(page);
          expect({ name, colorScheme, serious }).toEqual({ name, colorScheme, serious: [] });
        }
        await page.setViewportSize({ width: 360, height: 740 });
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        expect({ name, width }).toEqual({ name, width: 360 });
        await page.close();
      }
    });
  },
);

/** Says one thing, then does nothing until it is aborted. */
const waiting = createIterableBackend("waiting", async function* wait(_input, { signal }): AsyncGenerator<
  EventBody & { type: "text.delta" }
> {
  yield { type: "text.delta", text: "I wait." };
  if (!signal.aborted) await once(signal, "abort");
});

/** Whether an element is wholly in view; runs in the page. */
function isSeen(element: Element): boolean {
  const { top, bottom } = element.getBoundingClientRect();
  const frame = element.closest(".scroller")?.getBoundingClientRect();
  return frame !== undefined && top >= frame.top - 1 && bottom <= frame.bottom + 1;
}

/** What is in the page that should not be; runs in the page. */
function look(): object {
  const content = document.querySelector("main") as HTMLElement;
  const all = [...content.querySelectorAll("*")];
  const unwanted = "script img iframe object embed link meta base form video audio style".split(" ");
  return {
    pwned: (globalThis as unknown as { pwned?: unknown }).pwned,
    elements: all.map(({ localName }) => localName).filter((name) => unwanted.includes(name)),
    handlers: all.flatMap((element) => element.getAttributeNames().filter((name) => name.startsWith("on"))),
    links: [...content.querySelectorAll("a[href]")]
      .map((link) => new URL((link as HTMLAnchorElement).href).protocol)
      .filter((protocol) => !["http:", "https:", "mailto:"].includes(protocol)),
    controls: /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/.test(content.innerText),
    wide: document.documentElement.scrollWidth > innerWidth,
  };
}

const HOSTILE = [
  "<script>globalThis.pwned = 1</script>",
  '<img src=x onerror="globalThis.pwned = 2">',
  '<svg onload="globalThis.pwned = 3"><script>globalThis.pwned = 4</script></svg>',
  '<iframe srcdoc="<script>parent.pwned = 5</script>"></iframe>',
  "[click](javascript:globalThis.pwned=6) [data](data:text/html,<script>globalThis.pwned=7</script>) <javascript:alert(1)>",
  "![image](http://127.0.0.1:9/beacon.png) ![svg](data:image/svg+xml,<svg onload=alert(1)>)",
  "[https://good.example](https://evil.example/path) https://good.example@evil.example/",
  '<a href="javascript:alert(1)" onmouseover=alert(2)>x</a><base href="http://evil.example/"><meta http-equiv=refresh content=0>',
  "reversed \u202Etxt.exe\u202C and \u2066isolated\u2069 \u200F",
  "\u001B[2J\u001B[31mred\u001B[0m \u001B]8;;javascript:alert(1)\u0007link\u001B]8;;\u0007 \u0007\u0008",
  '"><style>*{display:none}</style><form action="http://evil.example"><button>x</button></form>',
  "{{constructor.constructor('globalThis.pwned=8')()}} ${globalThis.pwned=9} &lt;script&gt;",
  "| a | b |\n|---|---|\n| <img src=x onerror=alert(1)> | [x](vbscript:x) |",
];

function hostileRun(): EventBody[] {
  const huge = "x".repeat(1_000_000);
  const text = HOSTILE.join("\n\n");
  return [
    { type: "run.started", kind: "task", task: text },
    { type: "text.delta", text },
    { type: "reasoning.delta", text: `${text}\n\n${huge}` },
    ...HOSTILE.flatMap((line, at) => tool(`h${at}`, line, line)),
    ...tool("huge", huge, `${huge}\n${text}`, "failed"),
    {
      type: "tool.started",
      toolCallId: "p",
      toolName: text,
      title: text,
      kind: "edit",
      args: { __proto__: null, html: text },
    },
    {
      type: "tool.ended",
      toolCallId: "p",
      toolName: text,
      status: "completed",
      result: {
        content: [
          { type: "diff", path: text, oldText: text, newText: `${text}${huge}` },
          { type: "image", data: text },
          null,
          7,
        ],
      },
    },
    { type: "plan.updated", entries: [{ content: text, status: "in_progress" }] },
    { type: "permission.requested", requestId: "q", title: text, options: [{ optionId: "o", name: text }] },
    {
      type: "artifact.created",
      name: "workspace.patch",
      content: `diff --git a/${HOSTILE[0] ?? ""} b/x\n@@ -1 +1 @@\n-${text}\n+${huge}`,
    },
    {
      type: "artifact.created",
      name: text,
      uri: "javascript:globalThis.pwned=10",
      mimeType: "text/html",
      content: text,
    },
    { type: "custom", name: text, data: { text } },
    { type: "usage.reported", model: text, inputTokens: 1 },
    ...tool("last", "the last tool", "ends here"),
    {
      type: "final",
      status: "failed",
      reason: text,
      usage: {},
      durationMs: 1,
      error: { name: text, message: text, code: "x", kind: "backend", body: text, stack: text },
    },
  ];
}
