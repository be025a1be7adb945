import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
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
      await client.close();
      removeImagesOf(directory);
      await engine.stop();
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
  });
}

const reason = whyNoPodman();

describe.skipIf(reason !== undefined)(`the kit over Docker's API${reason === undefined ? "" : ` (${reason})`}`, () => {
  testEngine("an engine behind TCP", "tcp");
  // The way over a socket is the same but for the first step; docker-faults.test.ts goes over it.
  if (process.env["SKEIN_ENGINES"] === "all") testEngine("an engine of this machine", "unix");
});
