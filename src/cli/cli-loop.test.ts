import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import type { StoredEvent } from "../event/event.ts";
import { makeFolder, skein, startSkein } from "./cli-process.test.support.ts";

// Whole processes, on machines that have other things to do.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

/** A package with one bug, whose tests take no time. */
const BROKEN = {
  "pkg/package.json": '{"name":"broken","type":"module","scripts":{"test":"node --test"}}',
  "pkg/lib/clamp.js":
    "export function clamp(value, low, high) {\n  if (value > low) return low;\n  if (value > high) return high;\n  return value;\n}\n",
  "pkg/test/clamp.test.js": [
    "import assert from 'node:assert/strict';",
    "import { test } from 'node:test';",
    "import { clamp } from '../lib/clamp.js';",
    "test('keeps what is inside', () => assert.equal(clamp(5, 1, 9), 5));",
    "test('raises to the lower end', () => assert.equal(clamp(0, 1, 9), 1));",
    "test('lowers to the upper end', () => assert.equal(clamp(12, 1, 9), 9));",
    "",
  ].join("\n"),
};

/** One that nobody can repair, and that takes its time. */
const HOPELESS = {
  "pkg/package.json": '{"name":"hopeless","type":"module","scripts":{"test":"node --test"}}',
  "pkg/lib/answer.js": "export const answer = (a, b, c) => a + b * c - 17;\n",
  "pkg/test/answer.test.js":
    "import assert from 'node:assert/strict';\nimport { test } from 'node:test';\nimport { answer } from '../lib/answer.js';\ntest('is random', async () => { await new Promise((resolve) => setTimeout(resolve, 300)); assert.equal(answer(1, 2, 3), Math.random()); });\n",
};

const parse = (stdout: string): StoredEvent[] =>
  stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as StoredEvent);

/** Every event that a session holds, as another process reads it. */
async function readLog(cwd: string, session: string): Promise<StoredEvent[]> {
  return parse((await skein(cwd, ["replay", session, "--json"])).stdout);
}

describe("skein loop", () => {
  it("repairs a package in a box, shows the change, and applies it on demand", async () => {
    const cwd = await makeFolder(BROKEN);
    const { exitCode, stdout, stderr } = await skein(cwd, ["loop", "./pkg"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(/▸ try 1: lib\/clamp\.js/);
    expect(stdout).toMatch(/#0 {2}✓ 1\.00 {2}3 of 3 tests pass/);
    expect(stdout).toMatch(/\+ {2}if \(value < low\) return low;/);
    expect(stdout).not.toContain("\u001B");
    expect(await readFile(join(cwd, "pkg/lib/clamp.js"), "utf8")).toBe(BROKEN["pkg/lib/clamp.js"]);
    const [, apply = ""] = /^ {2}skein (apply loop_\w+)$/m.exec(stdout) ?? [];
    expect((await skein(cwd, apply.split(" "))).exitCode).toBe(0);
    expect(await readFile(join(cwd, "pkg/lib/clamp.js"), "utf8")).toContain("if (value < low) return low;");
    expect((await skein(cwd, ["boxes", "ls"])).stdout).toBe("No boxes.\n");
    // Keeps itself out of the user's repository.
    expect(await readFile(join(cwd, ".skein/.gitignore"), "utf8")).toBe("*\n");
  });

  it("ends with 1 where nothing is accepted, keeps the best attempt, and applies it only by name", async () => {
    const cwd = await makeFolder(BROKEN);
    const { exitCode, stdout } = await skein(cwd, [
      "loop",
      "./pkg",
      "--check",
      "npm test && false",
      "--max-iterations",
      "1",
    ]);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/✗ failed \(no output was valid\)/);
    expect(stdout).toMatch(/Nothing was accepted\. The best attempt \(#0, score 0\.99\):/);
    const refused = await skein(cwd, ["apply", "last"]);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(/--iteration 0\. \[no_change\]/);
    expect((await skein(cwd, ["apply", "last", "--iteration", "0"])).exitCode).toBe(0);
  });

  it("makes k independent attempts, each in a box of its own", async () => {
    const cwd = await makeFolder(BROKEN);
    const { exitCode, stdout } = await skein(cwd, ["loop", "./pkg", "--driver", "best-of-k", "--k", "2", "--json"]);
    expect(exitCode).toBe(0);
    const events = parse(stdout);
    const boxes = events.flatMap((event) => (event.type === "box.created" ? [event.boxId] : []));
    expect(new Set(boxes).size).toBe(2);
    expect(events.at(-1)).toMatchObject({ type: "final", status: "completed" });
  });

  it("K10: puts the checkpoint of each round into the store where it is to travel", async () => {
    const cwd = await makeFolder(BROKEN);
    const args = ["loop", "./pkg", "--continue", "--travel", "--check", "false", "--max-iterations", "1", "--json"];
    const events = parse((await skein(cwd, args)).stdout);
    expect(events.find(({ type }) => type === "loop.started")).toMatchObject({
      lineage: { sessionContinuity: true, checkpoints: "every-round", checkpointsTravel: true },
    });
    const [checkpoint, ...others] = events.flatMap((event) => (event.type === "checkpoint.created" ? [event] : []));
    expect(others).toEqual([]);
    expect(checkpoint?.reason).toBeUndefined();
    expect(checkpoint?.stored?.pieces).toHaveLength(1);
  });

  it("L1: prints no event that is not stored, and L2, L7: a killed loop has one final after the next command", async () => {
    const cwd = await makeFolder(HOPELESS);
    const running = startSkein(cwd, ["loop", "./pkg", "--json"]);
    await running.waitFor(/"tool\.started".*try 1/);
    running.kill("SIGKILL");
    await running.ended;
    const printed = parse(running.lines.join("\n"));
    expect((await skein(cwd, ["ls"])).stdout).toMatch(/ interrupted /);
    for (const session of new Set(printed.map(({ sessionId }) => sessionId))) {
      const log = await readLog(cwd, session);
      for (const event of printed) if (event.sessionId === session) expect(log[event.seq - 1]).toEqual(event);
      expect(log.filter(({ type }) => type === "final")).toHaveLength(1);
      expect(log.at(-1)).toMatchObject({ type: "final", status: "interrupted" });
    }
  });

  it("K10: a killed loop goes on where it stopped, as a new run of its session", async () => {
    const cwd = await makeFolder(BROKEN);
    const running = startSkein(cwd, ["loop", "./pkg", "--json"]);
    await running.waitFor(/"tool\.started".*try 1/);
    running.kill("SIGKILL");
    await running.ended;
    const { exitCode, stdout } = await skein(cwd, ["resume", "last", "--on-lost-box", "fresh"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/The winning change \(#\d\):/);
    const log = await readLog(cwd, "last");
    expect(log.flatMap((event) => (event.type === "final" ? [event.status] : []))).toEqual([
      "interrupted",
      "completed",
    ]);
    const starts = log.filter((event) => event.type === "run.started");
    expect(starts.at(-1)).toMatchObject({ continues: starts[0]?.runId });
    const attempt = await skein(cwd, ["resume", `${log[0]?.sessionId}.0`]);
    expect(attempt.exitCode).toBe(2);
    expect(attempt.stderr).toMatch(/one attempt of a loop; .*`skein resume loop_\w+`.*\[session_mismatch\]/);
    expect((await skein(cwd, ["boxes", "ls"])).stdout).toBe("No boxes.\n");
  });

  it.each(["SIGINT", "SIGTERM"] as const)(
    "L6, K3: %s aborts in order: one final, no box left, exit code 130",
    async (signal) => {
      const cwd = await makeFolder(HOPELESS);
      const running = startSkein(cwd, ["loop", "./pkg"]);
      await running.waitFor(/try 1/);
      running.kill(signal);
      await running.waitFor(/stopping… press Ctrl-C again to leave at once/);
      expect(await running.ended).toBe(130);
      expect(running.lines.some((line) => line.startsWith("■ aborted"))).toBe(true);
      const log = await readLog(cwd, "last");
      expect(log.filter(({ type }) => type === "final")).toEqual([expect.objectContaining({ status: "aborted" })]);
      expect((await skein(cwd, ["boxes", "ls"])).stdout).toBe("No boxes.\n");
    },
  );
});

describe("skein run", () => {
  it("streams one agent in one box and leaves a session that can be shown", async () => {
    const cwd = await makeFolder(BROKEN);
    const { exitCode, stdout } = await skein(cwd, ["run", "./pkg"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/▸ try 1: .*\n/);
    expect(stdout).toMatch(/✓ completed in /);
    expect((await skein(cwd, ["show", "last", "--patch"])).stdout).toContain("+  if (value < low) return low;");
    expect((await skein(cwd, ["boxes", "ls"])).stdout).toBe("No boxes.\n");
  });

  it.each<[string, string, string]>([
    ["an agent that dies at once", "node -e process.exit(3)", "failed"],
    ["an agent that there is not", "/no/such/agent", "failed"],
  ])("%s is a failed run with its reason, and exit code 1", async (_what, agent, status) => {
    const cwd = await makeFolder(BROKEN);
    const { exitCode, stdout } = await skein(cwd, ["run", "./pkg", "--agent", agent, "--json"]);
    expect(exitCode).toBe(1);
    expect(parse(stdout).at(-1)).toMatchObject({
      type: "final",
      status,
      error: { code: expect.stringMatching(/^(agent_|box_)/) as string },
    });
  });

  it("an unknown agent is a wrong usage", async () => {
    const cwd = await makeFolder(BROKEN);
    const { exitCode, stdout, stderr } = await skein(cwd, ["run", "./pkg", "--agent", "nobody"]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr).toMatch(/There is no agent "nobody"\. .*\[agent_unknown\]\n$/);
    expect(existsSync(join(cwd, ".skein"))).toBe(false);
  });

  it("a deadline ends a run as failed", async () => {
    const cwd = await makeFolder(HOPELESS);
    const { exitCode, stdout } = await skein(cwd, ["run", "./pkg", "--timeout", "2s"]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain("[deadline_exceeded]");
  });
});

describe("skein examples", () => {
  const manifest = (expect: string): string =>
    JSON.stringify({ title: "Clamp", expect, bugs: "A turned comparison.", prompt: "Repair it." });
  const example = (name: string, expects: string): Record<string, string> => ({
    ...Object.fromEntries(Object.entries(BROKEN).map(([path, text]) => [path.replace(/^pkg/, name), text])),
    [`${name}/skein-example.json`]: manifest(expects),
  });

  it("ends with 0 where all ended as their manifests say, else with 1 and the names of the others", async () => {
    const cwd = await makeFolder({
      ...example("packages/good", "repaired"),
      ...example("packages/odd", "could-not-repair"),
    });
    const one = await skein(cwd, ["examples", "packages", "--only", "good"]);
    expect(one.exitCode).toBe(0);
    expect(one.stdout).toMatch(/\ngood +repaired +repaired +1 +1\.00 +[\d.]+ +\w{8}\n/);
    expect(one.stdout).toMatch(/1 of 1 repaired in .*, as expected\./);
    const all = await skein(cwd, ["examples", "packages", "--json"]);
    expect(all.exitCode).toBe(1);
    expect(JSON.parse(all.stdout)).toMatchObject({
      asExpected: false,
      examples: [
        { name: "good", outcome: "repaired" },
        { name: "odd", outcome: "repaired" },
      ],
    });
  });

  it("lays an example's own files over the installed package that it names", async () => {
    const cwd = await makeFolder({
      "node_modules/example-clamp/package.json": '{"name":"clamp","version":"1.0.0"}',
      "node_modules/example-clamp/lib/clamp.js": BROKEN["pkg/lib/clamp.js"],
      "packages/taken/package.json": BROKEN["pkg/package.json"],
      "packages/taken/test/clamp.test.js": BROKEN["pkg/test/clamp.test.js"],
      "packages/taken/skein-example.json": JSON.stringify({
        ...JSON.parse(manifest("repaired")),
        source: { node_modules: "example-clamp" },
      }),
    });
    const { exitCode } = await skein(cwd, ["examples", "packages"]);
    expect(exitCode).toBe(0);
    const refused = await skein(cwd, ["apply", "last"]);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toMatch(/say which one to change with --to <dir>/);
    expect((await skein(cwd, ["apply", "last", "--to", "node_modules/example-clamp"])).exitCode).toBe(0);
  });

  it.each([
    ["a manifest that is not JSON", { "packages/bad/skein-example.json": "{" }, /is not JSON/],
    [
      "a manifest without its fields",
      { "packages/bad/skein-example.json": "{}" },
      /is not a manifest of an example: title/,
    ],
    [
      "a folder without examples",
      { "packages/bad/readme": "" },
      /has a skein-example\.json; name a folder of examples/,
    ],
  ])("refuses %s", async (_what, files, sentence) => {
    const { exitCode, stderr } = await skein(await makeFolder(files), ["examples", "packages"]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(sentence);
  });
});

it("a reader that goes away ends the command quietly", async () => {
  const cwd = await makeFolder(BROKEN);
  await skein(cwd, ["run", "./pkg"]);
  const running = startSkein(cwd, ["replay", "last", "--json"]);
  running.closeOutput();
  expect(await running.ended).toBe(0);
});
