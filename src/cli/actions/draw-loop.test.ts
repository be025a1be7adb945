import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { beam } from "../../loop/drivers/beam.ts";
import { runLoop } from "../../loop/run-loop.ts";
import { openMemoryStore } from "../../store/memory/index.ts";
import type { Session, SessionStore } from "../../store/session-store.ts";
import { createScriptedSandbox } from "../../testing/scripted-sandbox.ts";
import type { CommandLine } from "../common-options.ts";
import { drawLoop } from "./draw-loop.ts";

let cwd: string;
let store: SessionStore;
let loop: Session;
let said: string[];
let line: CommandLine;

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), "skein-draw-"));
  store = await openMemoryStore();
  said = [];
  const say = (...texts: string[]): void => void said.push(...texts);
  line = { cwd, now: () => 0, terminal: { print: say, write: say } } as unknown as CommandLine;
  await runLoop<string, string, string>({
    task: "mend it",
    driver: beam({ width: 1, branch: 2, depth: 2 }),
    agentRun: { profile: { name: "mender" }, taskToPrompt: (task) => task },
    output: { parse: () => "mended" },
    sandboxClient: createScriptedSandbox({ modes: ["memory"] }),
    lineage: { forkFanout: true },
    store,
    sessionId: "loop_beam",
  });
  loop = (await store.get("loop_beam")) as Session;
});

afterEach(async () => {
  await store.close();
  await rm(cwd, { recursive: true });
});

it("draws a stored loop into a new file, and never over one that is there", async () => {
  await drawLoop(line, store, loop, "lineage.svg");
  expect(said).toEqual([`loop_beam: drawn in ${join(cwd, "lineage.svg")}`]);
  const picture = await readFile(join(cwd, "lineage.svg"), "utf8");
  expect(picture).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
  expect(picture.match(/>fork \(memory\) · /g)).toHaveLength(2);
  await expect(drawLoop(line, store, loop, "lineage.svg")).rejects.toMatchObject({
    code: "invalid_option",
    message: expect.stringContaining("exists already") as string,
  });
  await expect(drawLoop(line, store, loop, "no/such/folder.svg")).rejects.toMatchObject({ code: "path_not_found" });
});

it("writes to standard output for -", async () => {
  await drawLoop(line, store, loop, "-");
  expect(said).toEqual([expect.stringMatching(/^<svg [\s\S]*<\/svg>\n$/)]);
});

it("refuses a session that is no loop", async () => {
  const attempt = (await store.get("loop_beam.0")) as Session;
  await expect(drawLoop(line, store, attempt, "x.svg")).rejects.toMatchObject({
    code: "invalid_option",
    message: expect.stringContaining("single run") as string,
  });
});
