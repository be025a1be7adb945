// The page of `skein serve` in a real browser, over a run of 100,000 events:
// - from the load of the page to the first block on the screen, and to the last event in it;
// - how long frames take while it is scrolled from end to end by the wheel;
// - how long after its commit an event is on the page, where the writer is this process.
// It needs a Chromium on the PATH.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";
import { createApp, openServer } from "skein/server";
import { openSqliteStore } from "skein/store/sqlite";

const EVENTS = 100_000;
const LOADS = 5;
const MARKS = 100;

const names = ["chromium", "chromium-browser", "google-chrome"];
const executablePath = (process.env.PATH ?? "")
  .split(delimiter)
  .flatMap((folder) => names.map((name) => join(folder, name)))
  .find((path) => existsSync(path));
if (executablePath === undefined) {
  console.log("inspector: left out, there is no Chromium on the PATH");
  process.exit(0);
}

const at = (values, part) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];

const folder = mkdtempSync(join(tmpdir(), "skein-bench-inspector-"));
const store = await openSqliteStore(join(folder, "skein.db"));
await writeLong();
const app = createApp({ store, inspector: true });
const server = await openServer({ app, port: 0 });
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  await measureLoads();
  await measureScrolling();
  await measureLatency();
} finally {
  await browser.close();
  await app.close();
  await server.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
}

async function writeLong() {
  await store.create({ id: "long", kind: "task", labels: { title: "long" } });
  const writer = await store.openWriter("long");
  const bodies = [{ type: "run.started", kind: "task", task: "Make the tests pass." }];
  for (let index = 0; bodies.length < EVENTS - 1; index++) {
    if (index % 40 === 39) {
      const toolCallId = `call-${index}`;
      const text = `shard ${index}\n${"ok 1 - it works\n".repeat(10)}`;
      bodies.push(
        { type: "tool.started", toolCallId, toolName: "bash", kind: "execute", title: `npm test -- --shard ${index}` },
        {
          type: "tool.ended",
          toolCallId,
          toolName: "bash",
          status: index % 400 === 39 ? "failed" : "completed",
          result: { content: [{ type: "content", content: { type: "text", text } }] },
        },
      );
    } else if (index % 40 > 35) bodies.push({ type: "reasoning.delta", text: `perhaps ${index} ` });
    else bodies.push({ type: "text.delta", text: index % 40 === 34 ? ".\n\n" : `**word** ${index} ` });
  }
  bodies.length = EVENTS - 1;
  bodies.push({ type: "final", status: "completed", reason: "completed", usage: {}, durationMs: 1 });
  for (let from = 0; from < bodies.length; from += 2000) await writer.append(bodies.slice(from, from + 2000));
  await writer.close();
}

async function measureLoads() {
  const first = [];
  const whole = [];
  for (let load = 0; load < LOADS; load++) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    // Told by the page's own clock, which begins with the navigation.
    await page.addInitScript(() => {
      const seen = (globalThis.seen = {});
      new MutationObserver(() => {
        if (document.querySelector(".timeline .block") !== null) {
          if (seen.first === undefined) {
            seen.first = 0;
            // After the frame that shows it.
            requestAnimationFrame(() => setTimeout(() => (seen.first = performance.now())));
          }
        }
        const count = document.querySelector(".scrub-count")?.textContent ?? "";
        if (count.startsWith("100,000")) seen.whole ??= performance.now();
      }).observe(document, { subtree: true, childList: true, characterData: true });
    });
    await page.goto(`${server.url}/#/session/long`);
    await page.getByText("100,000 / 100,000").waitFor({ timeout: 120_000 });
    const seen = await page.evaluate(() => ({
      ...globalThis.seen,
      loaded: performance.getEntriesByType("navigation")[0].loadEventEnd,
    }));
    first.push(seen.first - seen.loaded);
    whole.push(seen.whole - seen.loaded);
    await page.close();
  }
  console.log(
    `load: first block ${at(first, 0.5).toFixed(0)} ms after the page's load event (worst ${at(first, 1).toFixed(0)}), all ${EVENTS.toLocaleString("en-US")} events ${at(whole, 0.5).toFixed(0)} ms (${LOADS} loads)`,
  );
}

async function measureScrolling() {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(`${server.url}/#/session/long`);
  await page.getByText("100,000 / 100,000").waitFor({ timeout: 120_000 });
  await page.evaluate(() => {
    const frames = (globalThis.frames = []);
    let before = performance.now();
    requestAnimationFrame(function tell(now) {
      frames.push(now - before);
      before = now;
      requestAnimationFrame(tell);
    });
  });
  // Processor time, so that a crowded machine changes little.
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const spent = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    const names = ["TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration"];
    return names.map((name) => metrics.find((metric) => metric.name === name).value * 1000);
  };
  const before = await spent();
  await page.mouse.move(800, 500);
  for (let turn = 0; turn < 150; turn++) await page.mouse.wheel(0, turn < 75 ? 400 : 4000);
  const after = await spent();
  const { frames, rows, height } = await page.evaluate(() => ({
    frames: globalThis.frames.slice(2),
    rows: document.querySelectorAll(".timeline .row").length,
    height: document.querySelector(".timeline .scroller").scrollHeight,
  }));
  const [task, script, layout, style] = after.map((ms, part) => ((ms - before[part]) / frames.length).toFixed(1));
  console.log(
    `processor time of the page's thread for each frame: ${task} ms, of which script ${script}, layout ${layout}, style ${style}`,
  );
  console.log(
    `scrolling: ${frames.length} frames, p50 ${at(frames, 0.5).toFixed(1)} ms, p95 ${at(frames, 0.95).toFixed(1)} ms, worst ${at(frames, 1).toFixed(1)} ms; ${rows} rows in the page of a list ${Math.round(height).toLocaleString("en-US")} pixels high`,
  );
  await page.close();
}

async function measureLatency() {
  await store.create({ id: "live", kind: "task", labels: { title: "live" } });
  const writer = await store.openWriter("live");
  await writer.append([{ type: "run.started", kind: "task", task: "Watch me." }]);
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(`${server.url}/#/session/live`);
  await page.locator(".block-prompt").waitFor();
  await page.evaluate(() => {
    const seen = (globalThis.seen = {});
    new MutationObserver(() => {
      const text = document.querySelector(".timeline")?.textContent ?? "";
      for (const [mark] of text.matchAll(/mark-\d+;/g)) seen[mark] ??= Date.now();
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  const took = [];
  for (let index = 0; index < MARKS; index++) {
    await writer.append([{ type: "text.delta", text: `mark-${index}; ` }]);
    const committedAt = Date.now();
    const mark = `mark-${index};`;
    let seenAt;
    while (seenAt === undefined) seenAt = await page.evaluate((name) => globalThis.seen[name], mark);
    took.push(Math.max(0, seenAt - committedAt));
  }
  await writer.close();
  console.log(
    `live: an event is on the page ${at(took, 0.5)} ms after its commit (p50), ${at(took, 0.95)} ms (p95), ${at(took, 1)} ms at worst (${MARKS} events)`,
  );
  await page.close();
}
