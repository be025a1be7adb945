import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe } from "vitest";
import { openDockerSandbox } from "skein/sandbox/docker";
import type { OpenedSandbox } from "skein/testing";
import { testSandboxClient } from "skein/testing";
import { removeImagesOf, startEngine } from "./docker-engine.test.support.ts";
import { whyNoPodman } from "./podman-here.test.support.ts";

function openOn(kind: "unix" | "tcp"): () => Promise<OpenedSandbox> {
  return async () => {
    const engine = await startEngine(kind);
    const directory = await mkdtemp(join(tmpdir(), "skein-docker-"));
    const client = await openDockerSandbox({ directory, host: engine.host });
    return {
      client,
      reopen: () => openDockerSandbox({ directory, host: engine.host }),
      close: async () => {
        for (const { id } of await client.list()) await (await client.attach(id))?.delete();
        for (const { id } of await client.listCheckpoints()) await client.deleteCheckpoint(id);
        await client.close();
        removeImagesOf(directory);
        await engine.stop();
        await rm(directory, { recursive: true, force: true });
      },
    };
  };
}

const reason = whyNoPodman();

describe.skipIf(reason !== undefined)(`the kit over Docker's API${reason === undefined ? "" : ` (${reason})`}`, () => {
  // The way over a socket is the same but for the first step; docker-faults.test.ts goes over it.
  if (process.env["SKEIN_ENGINES"] === "all")
    testSandboxClient({
      name: "an engine of this machine",
      open: openOn("unix"),
      capabilities: { contained: true, forks: "files" },
    });
  testSandboxClient({
    name: "an engine behind TCP",
    open: openOn("tcp"),
    capabilities: { contained: true, forks: "files" },
  });
});
