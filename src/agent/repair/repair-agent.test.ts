import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type AgentProcess, Workbench } from "./start-repair-agent.test.kit.ts";

// Every try is a run of a real test suite in processes of its own; on a loaded machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

const benches: Workbench[] = [];

async function createBench(): Promise<Workbench> {
  const bench = await Workbench.create();
  benches.push(bench);
  return bench;
}

afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.remove();
});

/** A package with one bug that no edit of a few characters repairs, so that a search has a lot to do. */
const STUBBORN = {
  "package.json": '{ "name": "stubborn", "type": "module", "scripts": { "test": "node --test" } }',
  "lib/mix.js":
    "export function mix(a, b) {\n  const left = a * 3 + b;\n  const right = b - a / 2;\n  return left > right ? left + 1 : right;\n}\n",
  "test/mix.test.js":
    "import assert from 'node:assert';\nimport { test } from 'node:test';\nimport { mix } from '../lib/mix.js';\ntest('mixes', () => assert.equal(mix(2, 3), 'a paste'));\n",
};

const withoutNumber = (title: string): string => title.replace(/^try \d+: /, "");

/** The programs that a session tested, by their names in its memory. */
async function readStates(bench: Workbench, sessionId: string): Promise<string[]> {
  const text = await readFile(join(bench.home, ".skein-repair", `${sessionId}.json`), "utf8");
  return (JSON.parse(text) as { tries: { state: string }[] }).tries.map((one) => one.state);
}

async function promptUntilDone(agent: AgentProcess, sessionId: string): Promise<string> {
  for (let turn = 0; turn < 6; turn += 1) {
    const { outcome } = await agent.prompt(sessionId);
    if (outcome === "repaired") return outcome;
  }
  return "not repaired in six turns";
}

describe("the repair agent on real packages", () => {
  it.each(["invoice-ledger", "text-columns"])(
    "repairs %s and says what it changed",
    async (name) => {
      const bench = await createBench();
      await bench.useExample(name);
      const agent = await bench.start();
      const sessionId = await agent.newSession();
      expect(await promptUntilDone(agent, sessionId)).toBe("repaired");
      expect(agent.said()).toMatch(/Repaired: \d+\/\d+ tests pass/);
      expect(agent.said()).toMatch(/- lib\/[a-z]+\.js:\d+ {2}/);
      expect(agent.updates.some((update) => update.sessionUpdate === "plan")).toBe(true);
      expect(agent.updates.some((update) => update.sessionUpdate === "usage_update")).toBe(false);
      expect((await readdir(bench.workspace)).sort()).toEqual(["lib", "package.json", "skein-example.json", "test"]);
    },
    60_000,
  );

  it("repairs a package whose runner it does not know by the exit code alone", async () => {
    const bench = await createBench();
    await bench.write({
      "package.json": '{ "name": "plain", "scripts": { "test": "node check.test.js" } }',
      "lib/add.js": "module.exports = function add(a, b) {\n  return a - b;\n};\n",
      "check.test.js":
        "const add = require('./lib/add.js');\nif (add(2, 3) !== 5) throw new Error('not 5');\nconsole.log('fine');\n",
    });
    const agent = await bench.start();
    const ended = await agent.prompt(await agent.newSession());
    expect(ended).toMatchObject({ outcome: "repaired", passed: 1, failed: 0 });
    expect(await readFile(join(bench.workspace, "lib/add.js"), "utf8")).toContain("a + b");
  });
});

describe("the repair agent's memory", () => {
  it("never tries an edit twice in one session, in the same process or after session/load in a fresh one", async () => {
    const bench = await createBench();
    await bench.write(STUBBORN);
    const first = await bench.start({ SKEIN_REPAIR_TRIES: "5" });
    const sessionId = await first.newSession();
    expect(await first.prompt(sessionId)).toMatchObject({ outcome: "could-not-repair", tries: 5 });
    expect(await first.prompt(sessionId)).toMatchObject({ tries: 10 });
    await first.close();
    const second = await bench.start({ SKEIN_REPAIR_TRIES: "5" });
    await second.request("session/load", { sessionId, cwd: bench.workspace, mcpServers: [] });
    expect(second.updates.map((update) => update.sessionUpdate)).toEqual([
      "user_message_chunk",
      "agent_message_chunk",
      "user_message_chunk",
      "agent_message_chunk",
    ]);
    expect(await second.prompt(sessionId)).toMatchObject({ tries: 15 });
    expect([...first.tries(), ...second.tries()]).toHaveLength(15);
    expect(new Set(await readStates(bench, sessionId)).size).toBe(15);
    expect(await readFile(join(bench.home, ".skein-repair", `${sessionId}.json`), "utf8")).not.toContain(bench.folder);
  });

  it("starts a copy of home and workspace from everything the original learnt, and the copies try different edits", async () => {
    const parent = await createBench();
    await parent.write(STUBBORN);
    const agent = await parent.start({ SKEIN_REPAIR_TRIES: "4" });
    const sessionId = await agent.newSession();
    await agent.prompt(sessionId);
    await agent.close();
    const orders: string[][] = [];
    for (let fork = 0; fork < 2; fork += 1) {
      const child = await parent.copy();
      benches.push(child);
      const forked = await child.start({ SKEIN_REPAIR_TRIES: "8" });
      await forked.request("session/resume", { sessionId, cwd: child.workspace, mcpServers: [] });
      expect(forked.updates).toEqual([]);
      expect(await forked.prompt(sessionId)).toMatchObject({ tries: 12 });
      expect(new Set(await readStates(child, sessionId)).size).toBe(12);
      orders.push(forked.tries().map(withoutNumber));
    }
    expect(orders[0]).not.toEqual(orders[1]);
  });

  it("tries the same edits in the same order where a seed is given", async () => {
    const orders: string[][] = [];
    for (let sample = 0; sample < 2; sample += 1) {
      const bench = await createBench();
      await bench.write(STUBBORN);
      const agent = await bench.start({ SKEIN_REPAIR_TRIES: "4", SKEIN_REPAIR_SEED: "7" });
      await agent.prompt(await agent.newSession());
      orders.push(agent.tries());
    }
    expect(orders[0]).toEqual(orders[1]);
  });

  it("puts back what a kill in the middle of a try left behind, before anything else", async () => {
    const bench = await createBench();
    await bench.write(STUBBORN);
    const agent = await bench.start();
    const sessionId = await agent.newSession();
    agent.prompt(sessionId).catch(() => {});
    await agent.seen((update) => update.title?.startsWith("try 3:") ?? false);
    await agent.kill();
    const next = await bench.start({ SKEIN_REPAIR_TRIES: "1" });
    await next.request("session/resume", { sessionId, cwd: bench.workspace, mcpServers: [] });
    expect(await readFile(join(bench.workspace, "lib/mix.js"), "utf8")).toBe(STUBBORN["lib/mix.js"]);
    expect(await next.prompt(sessionId)).toMatchObject({ outcome: "could-not-repair" });
    expect(await readFile(join(bench.workspace, "lib/mix.js"), "utf8")).toBe(STUBBORN["lib/mix.js"]);
  });
});

describe("the repair agent on a cancel", () => {
  it("answers cancelled and leaves no half edit", async () => {
    const bench = await createBench();
    await bench.write(STUBBORN);
    const agent = await bench.start();
    const sessionId = await agent.newSession();
    const prompted = agent.prompt(sessionId);
    await agent.seen((update) => update.title?.startsWith("try 2:") ?? false);
    agent.notify("session/cancel", { sessionId });
    expect(await prompted).toMatchObject({ stopReason: "cancelled" });
    expect(await readFile(join(bench.workspace, "lib/mix.js"), "utf8")).toBe(STUBBORN["lib/mix.js"]);
  });

  it("leaves no half edit where its client goes away", async () => {
    const bench = await createBench();
    await bench.write(STUBBORN);
    const agent = await bench.start();
    const sessionId = await agent.newSession();
    agent.prompt(sessionId).catch(() => {});
    await agent.seen((update) => update.title?.startsWith("try 2:") ?? false);
    await agent.close();
    expect(await readFile(join(bench.workspace, "lib/mix.js"), "utf8")).toBe(STUBBORN["lib/mix.js"]);
  });
});

describe("the repair agent on bad input", () => {
  const test = (code: string): Record<string, string> => ({
    "package.json": '{ "name": "p", "scripts": { "test": "node --test" } }',
    "lib/one.js": "exports.one = () => 1;\n",
    "test/one.test.js": code,
  });
  const passing =
    "const { test } = require('node:test');\nconst { one } = require('../lib/one.js');\ntest('one', () => { if (one() !== 1) throw new Error('no'); });\n";

  it.each([
    ["no package.json", {}, "no-tests", /there is no package\.json here/],
    ["a package.json that is not JSON", { "package.json": "{" }, "no-tests", /not valid JSON/],
    ["no test script", { "package.json": '{ "name": "p" }' }, "no-tests", /no "test" script/],
    ["tests that pass already", test(passing), "nothing-to-repair", /Nothing to repair: 1\/1 tests pass/],
    [
      "a source with a syntax error",
      { ...test(passing), "lib/one.js": "exports.one = ( => 1;\n" },
      "could-not-repair",
      /lib\/one\.js cannot be parsed/,
    ],
    [
      "tests that never end",
      test("setInterval(() => {}, 1000);\n"),
      "could-not-repair",
      /did not end within 2 seconds/,
    ],
    [
      "tests that print without end",
      test("for (;;) process.stdout.write('x'.repeat(1 << 16));\n"),
      "could-not-repair",
      /print more than|did not end/,
    ],
    [
      "a test command that is not there",
      { "package.json": '{ "scripts": { "test": "no-such-program" } }' },
      "could-not-repair",
      /Could not repair/,
    ],
  ])("says so clearly: %s", async (_name, files, outcome, sentence) => {
    const bench = await createBench();
    await bench.write(files);
    const agent = await bench.start({ SKEIN_REPAIR_COMMAND_SECONDS: "2" });
    expect(await agent.prompt(await agent.newSession())).toMatchObject({ stopReason: "end_turn", outcome });
    expect(agent.said()).toMatch(sentence);
  });

  it("answers unknown methods, unknown sessions and wrong folders with the protocol's own errors", async () => {
    const bench = await createBench();
    const agent = await bench.start();
    await expect(agent.request("session/unheard_of", {})).rejects.toMatchObject({ code: -32601 });
    await expect(
      agent.request("session/load", { sessionId: "../../etc/passwd", cwd: bench.workspace, mcpServers: [] }),
    ).rejects.toMatchObject({ code: -32002 });
    await expect(
      agent.request("session/new", { cwd: join(bench.workspace, "gone"), mcpServers: [] }),
    ).rejects.toMatchObject({ code: -32602 });
  });

  it("lists its sessions from disk and forgets a closed one only in memory", async () => {
    const bench = await createBench();
    const agent = await bench.start();
    const sessionId = await agent.newSession();
    await agent.request("session/close", { sessionId });
    await expect(agent.prompt(sessionId)).rejects.toMatchObject({ code: -32002 });
    const fresh = await bench.start();
    expect(await fresh.request("session/list", { cwd: bench.workspace })).toMatchObject({
      sessions: [{ sessionId, cwd: bench.workspace }],
    });
  });
});
