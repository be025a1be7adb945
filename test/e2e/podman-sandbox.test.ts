import { describe } from "vitest";
import { openPodmanSandbox } from "skein/sandbox/podman";
import type { OpenedSandbox } from "skein/testing";
import { testSandboxClient } from "skein/testing";
import { openPlace, whyNoPodman } from "./podman-here.test.support.ts";

function openOn(kind: "snapshot" | "copy"): () => Promise<OpenedSandbox> {
  return async () => {
    const place = await openPlace(kind);
    const client = await openPodmanSandbox({ directory: place.path });
    return {
      client,
      reopen: () => openPodmanSandbox({ directory: place.path }),
      close: async () => {
        for (const { id } of await client.list()) await (await client.attach(id))?.delete();
        for (const { id } of await client.listCheckpoints()) await client.deleteCheckpoint(id);
        await place.remove();
      },
    };
  };
}

const reason = whyNoPodman();

describe.skipIf(reason !== undefined)(`the kit${reason === undefined ? "" : ` (${reason})`}`, () => {
  testSandboxClient({
    name: "containers on btrfs",
    open: openOn("snapshot"),
    capabilities: { contained: true, forks: "memory" },
  });
});
