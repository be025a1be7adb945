import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { openSqliteStore } from "../../dist/store/sqlite/index.js";
import { readSpans } from "../../dist/telemetry/index.js";

const CHILD = fileURLToPath(new URL("./telemetry-child.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "skein-telemetry-crash-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parent?: string;
  readonly name: string;
  readonly links: readonly string[];
  readonly status: number;
}

/** Runs the loop in a process of its own, which is killed where it is stuck. */
async function runProcess(mode: "run" | "resume", path: string): Promise<{ spans: Span[]; signal: unknown }> {
  const child = spawn(process.execPath, [CHILD, mode, path], { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  const spans: Span[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line === "STUCK") child.kill("SIGKILL");
    else spans.push(JSON.parse(line) as Span);
  });
  const [, signal] = (await closed) as [unknown, unknown];
  return { spans, signal };
}

it("K10: a loop whose process is killed and that another one resumes is one whole trace, each span in it once", async () => {
  const path = join(folder, "skein.db");
  const first = await runProcess("run", path);
  expect(first.signal).toBe("SIGKILL");
  const second = await runProcess("resume", path);
  expect(second.signal).toBeNull();
  expect(first.spans.length).toBeGreaterThan(0);
  const all = [...first.spans, ...second.spans];
  expect(new Set(all.map(({ traceId }) => traceId)).size).toBe(1);
  expect(new Set(all.map(({ spanId }) => spanId)).size).toBe(all.length);
  for (const { name, parent } of all)
    if (parent !== undefined)
      expect(
        all.map(({ spanId }) => spanId),
        `the parent of ${name}`,
      ).toContain(parent);
  // Both runs of the loop, the second linked to the first, which nobody could end but the second process.
  const loops = all.filter(({ name }) => name.startsWith("loop "));
  expect(loops.map(({ status }) => status)).toEqual([2, 0]);
  expect(loops[1]?.links).toEqual([loops[0]?.spanId]);
  expect(first.spans.map(({ name }) => name)).not.toContain("loop fanout");
  // The tool that was open when the process died.
  expect(all.filter(({ name, status }) => name === "execute_tool edit" && status === 2)).toHaveLength(1);

  await using store = await openSqliteStore(path, { readOnly: true });
  const stored: string[] = [];
  for await (const { spanId, name } of readSpans(store, "loop")) stored.push(`${spanId} ${name}`);
  expect(stored.sort()).toEqual(all.map(({ spanId, name }) => `${spanId} ${name}`).sort());
});
