import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openMemoryStore, randomK, runLoop } from "skein";
import type { JobContext, WorkerNote } from "skein/fleet";
import { createLocalQueue, runWorker } from "skein/fleet";
import type { DockerSandboxClient } from "skein/sandbox/docker";
import { openDockerSandbox } from "skein/sandbox/docker";
import { testSandboxClient } from "skein/testing";
import type { TestEngine } from "./docker-engine.test.support.ts";
import { removeImagesOf, startEngine } from "./docker-engine.test.support.ts";
import { whyNoPodman } from "./podman-here.test.support.ts";

function testEngine(name: string, kind: "unix" | "tcp"): void {
  describe(`over ${kind}`, () => {
    let engine: TestEngine;
    let directory: string;
    let client: DockerSandboxClient;

    // On a new machine the image is made here, which takes longer than a box may.
    beforeAll(async () => {
      engine = await startEngine(kind);
      directory = await mkdtemp(join(tmpdir(), "skein-docker-"));
      client = await openDockerSandbox({ directory, host: engine.host });
      await client.forkStatus();
    }, 600_000);
    afterAll(async () => {
      await engine?.stop();
      await client?.close();
      removeImagesOf(directory);
      await rm(directory, { recursive: true, force: true });
    }, 120_000);

    testSandboxClient({
      name,
      open: async () => ({
        client,
        reopen: () => openDockerSandbox({ directory, host: engine.host }),
        close: async () => {
          for (const { id } of await client.list()) await (await client.attach(id))?.delete();
          for (const { id } of await client.listCheckpoints()) await client.deleteCheckpoint(id);
        },
      }),
      capabilities: { contained: true, forks: "files" },
    });

    it("runs the jobs of a fleet's worker in boxes of the engine, and leaves none", { timeout: 120_000 }, async () => {
      const stop = new AbortController();
      const queue = createLocalQueue();
      await using store = await openMemoryStore();
      const jobs = {
        async study({ sessionId, resume, signal, openSandbox }: JobContext): Promise<void> {
          await runLoop({
            task: "study",
            driver: randomK(1),
            agentRun: {
              profile: { name: "scripted", agent: "scripted" },
              taskToPrompt: () => "write notes.txt from the box\nread notes.txt",
            },
            output: {
              parse: (events) => events.map((event) => (event.type === "text.delta" ? event.text : "")).join(""),
            },
            validator: { validate: (output) => ({ valid: output === "from the box\n", score: 1 }) },
            sandboxClient: await openSandbox(),
            store,
            sessionId,
            resume,
            signal,
          });
        },
      };
      await queue.add({ id: "job_study", name: "study" });
      const onNote = (note: WorkerNote): void => {
        if (note.note === "job.ended") stop.abort();
      };
      await runWorker({ queue, store, jobs, openSandbox: async () => client, signal: stop.signal, onNote });
      expect(await store.get("job_study")).toMatchObject({ status: "completed" });
      expect(await client.list()).toEqual([]);
    });
  });
}

const reason = whyNoPodman();

describe.skipIf(reason !== undefined)(`the kit over Docker's API${reason === undefined ? "" : ` (${reason})`}`, () => {
  testEngine("an engine behind TCP", "tcp");
  // The way over a socket is the same but for the first step; docker-faults.test.ts goes over it.
  if (process.env["SKEIN_ENGINES"] === "all") testEngine("an engine of this machine", "unix");
});
