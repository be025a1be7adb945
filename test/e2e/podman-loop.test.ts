import { execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunLoopOptions, StoredEvent, WorkspacePatch } from "skein";
import { fanout, openMemoryStore, runLoop, testsPass, workspacePatch } from "skein";
import type { PodmanSandboxClient } from "skein/sandbox/podman";
import { openPodmanSandbox } from "skein/sandbox/podman";
import type { Place } from "./podman-here.test.support.ts";
import { listContainers, openPlace, whyNoPodman } from "./podman-here.test.support.ts";

const reason = whyNoPodman();

/** Tries of one turn. */
const TRIES = 6;

/**
 * A package with one bug more than a turn has tries, each in a function of its own: no luck of the agent's repairs it in
 * one turn, and a few turns always do.
 */
async function writePackage(folder: string): Promise<void> {
  const levels = Array.from({ length: TRIES + 1 }, (_, index) => ({
    name: `reaches${index}`,
    level: 10 * (index + 1),
  }));
  await mkdir(join(folder, "test"), { recursive: true });
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "levels", scripts: { test: "node --test" } }));
  await writeFile(
    join(folder, "index.js"),
    levels.map(({ name, level }) => `exports.${name} = (value) => value > ${level};\n`).join(""),
  );
  await writeFile(
    join(folder, "test", "levels.test.js"),
    `const test = require("node:test");\nconst assert = require("node:assert");\nconst levels = require("../index.js");\n` +
      levels
        .map(
          ({ name, level }) =>
            `test("${name}", () => {\n  assert.deepEqual([${level - 1}, ${level}, ${level + 1}].map(levels.${name}), [false, true, true]);\n});\n`,
        )
        .join(""),
  );
}

describe.skipIf(reason !== undefined)(`a loop over containers${reason === undefined ? "" : ` (${reason})`}`, () => {
  let place: Place;
  let client: PodmanSandboxClient;
  let folder: string;
  let broken: string;

  beforeAll(async () => {
    place = await openPlace("snapshot");
    client = await openPodmanSandbox({ directory: place.path });
    folder = await mkdtemp(join(tmpdir(), "skein-package-"));
    broken = join(folder, "broken");
    await writePackage(broken);
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
    await place.remove();
  });

  it(
    "K6: forks the live agent of an attempt that was not enough into four, none of which tries again what it tried, until one repairs the package",
    { timeout: 300_000 },
    async () => {
      await using store = await openMemoryStore();
      const heard: StoredEvent[] = [];
      const result = await runLoop<string, WorkspacePatch, string>({
        task: "Make the tests of this package pass.",
        driver: fanout({ k: 4, rounds: 8, prepare: true }),
        agentRun: {
          profile: { name: "repair", agent: "repair" },
          taskToPrompt: (task) => task,
          box: {
            files: [{ path: ".", from: broken }],
            env: { SKEIN_REPAIR_TRIES: String(TRIES), SKEIN_REPAIR_SECONDS: "300" },
          },
        },
        output: workspacePatch(),
        validator: testsPass({ command: "npm test" }),
        sandboxClient: client,
        store,
        sessionId: "loop",
        lineage: { forkFanout: true },
        maxIterations: 33,
        maxConcurrency: 4,
        onEvent: (event) => heard.push(event),
      });

      const forks = heard.filter((event) => event.type === "box.forked");
      expect(forks.slice(0, 4)).toMatchObject(Array.from({ length: 4 }, () => ({ mode: "memory" })));
      expect(new Set(forks.map(({ mode }) => mode))).toEqual(new Set(["memory"]));
      expect(new Set(forks.slice(0, 4).map(({ from }) => from)).size).toBe(1);

      const tried = async (sessionId: string): Promise<{ number: number; title: string }[]> => {
        const tries: { number: number; title: string }[] = [];
        for await (const event of store.read(sessionId)) {
          const [, number, title] =
            (event.type === "tool.started" && /^try (\d+): (.*)$/.exec(event.title ?? "")) || [];
          if (title !== undefined) tries.push({ number: Number(number), title });
        }
        return tries;
      };
      const [parent, ...children] = result.iterations.slice(0, 5);
      const before = await tried(parent?.sessionId as string);
      expect(before.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6]);
      for (const child of children) {
        expect(child.parentIndex).toBe(0);
        const after = await tried(child.sessionId);
        expect(after[0]?.number).toBe(7);
        const known = new Set(before.map(({ title }) => title));
        expect(after.filter(({ title }) => known.has(title))).toEqual([]);
      }

      expect(result.status).toBe("completed");
      expect(result.winner?.verdict?.valid).toBe(true);
      const copy = join(folder, "copy");
      await cp(broken, copy, { recursive: true });
      await writeFile(join(folder, "winner.patch"), result.winner?.output.patch ?? "");
      execFileSync("patch", ["--strip=1", `--input=${join(folder, "winner.patch")}`], { cwd: copy, stdio: "ignore" });
      execFileSync("npm", ["test"], { cwd: copy, stdio: "ignore" });

      expect(await client.list()).toEqual([]);
      expect(await client.listCheckpoints()).toEqual([]);
      expect(listContainers(place.path)).toEqual([]);
    },
  );

  it(
    "K10: goes on on another machine, with files and conversation of a checkpoint that had memory",
    { timeout: 120_000 },
    async () => {
      await using other = await openPlace("copy");
      const second = await openPodmanSandbox({ directory: other.path });
      await using store = await openMemoryStore();
      const heard: StoredEvent[] = [];
      const stop = new AbortController();
      const options: Omit<RunLoopOptions<string, string, string>, "sandboxClient"> = {
        task: "study",
        driver: {
          name: "rounds",
          plan: (_task, history) => (history.length < 2 ? [`${history.length}`] : []),
          decide: () => "on",
        },
        agentRun: {
          profile: { name: "scripted", agent: "scripted" },
          taskToPrompt: (round) => `write notes-${round}.txt ${round}\nremember w${round}\nread notes-0.txt\nrecall`,
        },
        output: {
          parse: (events) => events.flatMap((event) => (event.type === "text.delta" ? [event.text] : [])).join(""),
        },
        store,
        sessionId: "moves",
        lineage: { sessionContinuity: true, checkpoints: "every-round", checkpointsTravel: true },
        onEvent: (event) => {
          heard.push(event);
          if (event.type === "decision.made" && event.round === 0) stop.abort();
        },
      };
      await expect(runLoop({ ...options, sandboxClient: client, signal: stop.signal })).rejects.toMatchObject({
        name: "AbortError",
      });
      const result = await runLoop({ ...options, sandboxClient: second, resume: true });
      expect(result.iterations.map(({ output }) => output)).toEqual(["0\nw0", "0\nw0,w1"]);
      const [created] = heard.filter((event) => event.type === "checkpoint.created");
      expect(created).toMatchObject({ mode: "memory", stored: { size: expect.any(Number) as number } });
      expect(heard.find((event) => event.type === "box.forked")).toMatchObject({ mode: "files", from: created?.boxId });
      for (const each of [client, second]) {
        expect(await each.list()).toEqual([]);
        for (const { id } of await each.listCheckpoints()) await each.deleteCheckpoint(id);
      }
    },
  );
});
