import { execFileSync } from "node:child_process";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StoredEvent, WorkspacePatch } from "skein";
import { fanout, openMemoryStore, runLoop, testsPass, workspacePatch } from "skein";
import type { PodmanSandboxClient } from "skein/sandbox/podman";
import { openPodmanSandbox } from "skein/sandbox/podman";
import type { Place } from "./podman-here.test.support.ts";
import { listContainers, openPlace, whyNoPodman } from "./podman-here.test.support.ts";

const reason = whyNoPodman();
const PACKAGE = "examples/packages/route-table";

describe.skipIf(reason !== undefined)(`a loop over containers${reason === undefined ? "" : ` (${reason})`}`, () => {
  let place: Place;
  let client: PodmanSandboxClient;
  let folder: string;

  beforeAll(async () => {
    place = await openPlace("snapshot");
    client = await openPodmanSandbox({ directory: place.path });
    folder = await mkdtemp(join(tmpdir(), "skein-package-"));
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
        driver: fanout({ k: 4, rounds: 6, prepare: true }),
        agentRun: {
          profile: { name: "repair", agent: "repair" },
          taskToPrompt: (task) => task,
          box: { files: [{ path: ".", from: PACKAGE }], env: { SKEIN_REPAIR_TRIES: "6" } },
        },
        output: workspacePatch(),
        validator: testsPass({ command: "npm test" }),
        sandboxClient: client,
        store,
        sessionId: "loop",
        lineage: { forkFanout: true },
        maxIterations: 25,
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
      await cp(PACKAGE, copy, { recursive: true });
      await writeFile(join(folder, "winner.patch"), result.winner?.output.patch ?? "");
      execFileSync("patch", ["--strip=1", `--input=${join(folder, "winner.patch")}`], { cwd: copy, stdio: "ignore" });
      execFileSync("npm", ["test"], { cwd: copy, stdio: "ignore" });

      expect(await client.list()).toEqual([]);
      expect(await client.listCheckpoints()).toEqual([]);
      expect(listContainers(place.path)).toEqual([]);
    },
  );
});
