import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { EventBody, StoredEvent } from "../event/event.ts";
import { createDataDirectory, DATABASE_FILE } from "../runtime/data-directory.ts";
import { openSqliteStore } from "../store/sqlite/index.ts";
import { makeFolder, skein, startSkein } from "./cli-process.test.support.ts";

// Whole processes, on machines that have other things to do.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const PATCH =
  "diff --git a/index.js b/index.js\n--- a/index.js\n+++ b/index.js\n@@ -1,1 +1,1 @@\n-export const one = 2;\n+export const one = 1;\n";

const ATTEMPT: readonly EventBody[] = [
  { type: "tool.started", toolCallId: "1", toolName: "edit", title: "try 1: 2 → 1" },
  { type: "tool.ended", toolCallId: "1", toolName: "edit", status: "completed" },
  { type: "text.delta", text: "Repaired." },
  { type: "artifact.created", name: "workspace.patch", content: PATCH },
  { type: "final", status: "completed", reason: "completed", text: "Repaired.", usage: {}, durationMs: 5 },
];

let cwd: string;

/** A folder with a package, and a data directory with one finished loop of two attempts. */
beforeEach(async () => {
  cwd = await makeFolder({ "pkg/index.js": "export const one = 2;\n" });
  await createDataDirectory(join(cwd, ".skein"));
  await using store = await openSqliteStore(join(cwd, ".skein", DATABASE_FILE));
  await store.create({ id: "loop_abcdef", kind: "loop", labels: { title: "mend one", workspace: join(cwd, "pkg") } });
  await using loop = await store.openWriter("loop_abcdef");
  const task = { prompt: "mend one" };
  await loop.append([
    { type: "run.started", kind: "loop", task },
    {
      type: "loop.started",
      driver: "refine",
      agentRunNames: ["repair"],
      fingerprint: "f",
      maxIterations: 3,
      maxConcurrency: 1,
    },
  ]);
  for (const [index, score] of [0.5, 1].entries()) {
    await loop.append([
      { type: "round.planned", round: index, tasks: [task] },
      { type: "box.created", boxId: `box_${index}`, index },
      {
        type: "iteration.started",
        index,
        round: index,
        iterationSessionId: `loop_abcdef.${index}`,
        agentRunName: "repair",
        boxId: `box_${index}`,
      },
    ]);
    await store.create({ id: `loop_abcdef.${index}`, kind: "task", parentId: "loop_abcdef" });
    await using child = await store.openWriter(`loop_abcdef.${index}`);
    await child.append([
      { type: "run.started", kind: "task", task, parent: { sessionId: "loop_abcdef", iteration: index } },
      ...ATTEMPT,
    ]);
    await loop.append([
      { type: "verdict.given", index, valid: score === 1, score, notes: `${score * 2} of 2 tests pass` },
      { type: "iteration.ended", index, status: "completed", usage: {} },
    ]);
  }
  await loop.append([{ type: "final", status: "completed", reason: "done", usage: {}, durationMs: 50 }]);
});

describe("ls", () => {
  it("hides the sessions of iterations unless all are wanted", async () => {
    const { stdout } = await skein(cwd, ["ls"]);
    expect(stdout.trimEnd().split("\n").slice(1)).toEqual([
      expect.stringMatching(/^loop_abcdef +loop +completed .* 13 +mend one$/),
    ]);
    const all = JSON.parse((await skein(cwd, ["ls", "--all", "--json"])).stdout) as { id: string }[];
    expect(all.map(({ id }) => id).sort()).toEqual(["loop_abcdef", "loop_abcdef.0", "loop_abcdef.1"]);
  });

  it("takes the data directory before and behind the command, and from the environment", async () => {
    const elsewhere = await makeFolder();
    const data = join(cwd, ".skein");
    for (const args of [
      ["--data", data, "ls"],
      ["ls", "--data", data],
      [`--data=${data}`, "--no-color", "ls"],
    ]) {
      expect((await skein(elsewhere, args)).stdout).toContain("loop_abcdef");
    }
    expect((await skein(elsewhere, ["ls"], { SKEIN_DATA: data })).stdout).toContain("loop_abcdef");
    // The option of a command in a group is that command's, too.
    expect((await skein(elsewhere, ["boxes", "ls", "--data", "file-that-is-not-there/x"])).stdout).toBe("No boxes.\n");
    expect((await skein(elsewhere, ["boxes", "ls", "--data", cwd])).stderr).toContain("[store_foreign]");
  });

  it("narrows by status and kind", async () => {
    expect((await skein(cwd, ["ls", "--status", "failed"])).stdout).toMatch(/No session fits/);
    expect(JSON.parse((await skein(cwd, ["ls", "--kind", "loop", "--json"])).stdout)).toHaveLength(1);
  });
});

describe("a session", () => {
  it("is found by its id, the beginning of it, the part behind its kind, and last", async () => {
    for (const name of ["loop_abcdef", "loop_ab", "abc", "last"]) {
      const { exitCode, stdout } = await skein(cwd, ["show", name]);
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(/^loop_abcdef {2}loop · 13 events/);
    }
  });

  it("that is unknown ends with 2 and names those that are near", async () => {
    for (const command of ["show", "replay", "tail", "apply"]) {
      const { exitCode, stdout, stderr } = await skein(cwd, [command, "loop_abcdxf"]);
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
      expect(stderr).toMatch(
        /^skein: No session has the id "loop_abcdxf"; did you mean loop_abcdef\? \[session_unknown\]\n$/,
      );
    }
  });

  it("is shown as a tree with the winner marked, or as JSON", async () => {
    const { stdout } = await skein(cwd, ["show", "last"]);
    expect(stdout).toContain("├─ #0 round 0 · new box");
    expect(stdout).toMatch(/└─ #1 ★ round 1 .* ✓ 1\.00 {2}2 of 2 tests pass/);
    const json = JSON.parse((await skein(cwd, ["show", "last", "--json"])).stdout) as { winner: number; patch: string };
    expect(json).toMatchObject({ winner: 1, patch: PATCH });
    expect((await skein(cwd, ["show", "last", "--patch"])).stdout).toBe(PATCH);
    expect((await skein(cwd, ["show", "loop_abcdef.1"])).stdout).toContain("last message\n  Repaired.");
  });
});

describe("replay and tail", () => {
  const readLog = async (): Promise<StoredEvent[]> => {
    await using store = await openSqliteStore(join(cwd, ".skein", DATABASE_FILE), { readOnly: true });
    const log: StoredEvent[] = [];
    for await (const event of store.read("loop_abcdef")) log.push(event);
    return log;
  };

  it("L4: give the stored events, byte for byte, from any position", async () => {
    const log = (await readLog()).map((event) => JSON.stringify(event));
    for (const after of [0, 5, log.length]) {
      for (const command of ["replay", "tail"]) {
        const { exitCode, stdout } = await skein(cwd, [command, "loop_abcdef", "--json", "--after", String(after)]);
        expect(exitCode).toBe(0);
        expect(stdout).toBe(
          log
            .slice(after)
            .map((line) => `${line}\n`)
            .join(""),
        );
      }
    }
  });

  it("tell a loop with what its attempts tried, without moving a cursor", async () => {
    const lines = [
      "round 0  1 task",
      "  #0  repair  new box",
      "  #0    ▸ try 1: 2 → 1",
      expect.stringMatching(/^ {2}#0 {2}✗ 0\.50 {2}1 of 2 tests pass/),
    ];
    for (const command of ["replay", "tail"]) {
      const { stdout } = await skein(cwd, [command, "last"]);
      expect(stdout).not.toContain("\u001B");
      expect(stdout.trimEnd().split("\n").slice(0, 4)).toEqual(lines);
    }
    const later = (await skein(cwd, ["replay", "last", "--after", "7"])).stdout;
    expect(later).not.toContain("#0  repair");
    expect(later).toContain("#1  repair  new box");
  });

  it("tail follows a session that another process writes, and ends with its run", async () => {
    await using store = await openSqliteStore(join(cwd, ".skein", DATABASE_FILE));
    await store.create({ id: "run_live", kind: "task" });
    await using writer = await store.openWriter("run_live");
    await writer.append([
      { type: "run.started", kind: "task", task: "go" },
      { type: "text.delta", text: "first\n" },
    ]);
    const tail = startSkein(cwd, ["tail", "run_live"]);
    await tail.waitFor(/^first$/);
    await writer.append([{ type: "text.delta", text: "second\n" }]);
    await tail.waitFor(/^second$/);
    await writer.append([{ type: "final", status: "failed", reason: "backend_failed", usage: {}, durationMs: 1 }]);
    expect(await tail.ended).toBe(0);
    expect(tail.lines.at(-1)).toBe("✗ failed (the backend failed) in 1 ms");
  });
});

describe("apply", () => {
  const source = (): Promise<string> => readFile(join(cwd, "pkg/index.js"), "utf8");

  it("only looks with --dry-run, then changes the folder that the loop was started from", async () => {
    const looked = await skein(cwd, ["apply", "loop_abcdef", "--dry-run"]);
    expect(looked).toMatchObject({ exitCode: 0 });
    expect(looked.stdout).toMatch(/It fits .*pkg; nothing was changed\./);
    expect(await source()).toBe("export const one = 2;\n");
    expect(await skein(cwd, ["apply", "loop_abcdef"])).toMatchObject({ exitCode: 0 });
    expect(await source()).toBe("export const one = 1;\n");
  });

  it("refuses a folder that it does not fit, and changes nothing there", async () => {
    const other = await makeFolder({ "index.js": "export const three = 3;\n" });
    const { exitCode, stderr } = await skein(cwd, ["apply", "loop_abcdef", "--to", other]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^skein: .*\[patch_conflict\]\n$/);
    expect(await readFile(join(other, "index.js"), "utf8")).toBe("export const three = 3;\n");
    expect(await readdir(other)).toEqual(["index.js"]);
  });

  it.each<[string, readonly string[], RegExp, number]>([
    ["an iteration that there is not", ["--iteration", "7"], /has no iteration 7/, 2],
    ["a folder that there is not", ["--to", "gone"], /\[path_not_found\]/, 2],
  ])("refuses %s", async (_what, args, sentence, code) => {
    const { exitCode, stderr } = await skein(cwd, ["apply", "loop_abcdef", ...args]);
    expect(stderr).toMatch(sentence);
    expect(exitCode).toBe(code);
    expect(await source()).toBe("export const one = 2;\n");
  });
});
