import { describe, expect, it } from "vitest";
import { openPodmanSandbox } from "skein/sandbox/podman";
import type { OpenedSandbox } from "skein/testing";
import { testSandboxClient } from "skein/testing";
import type { Place } from "./podman-here.test.support.ts";
import { openPlace, whyNoPodman } from "./podman-here.test.support.ts";

function openOn(kind: "snapshot" | "copy"): () => Promise<OpenedSandbox> {
  return async () => {
    const place = await openPlace(kind);
    const client = await openPodmanSandbox({ directory: place.path });
    const others: Place[] = [];
    return {
      client,
      reopen: () => openPodmanSandbox({ directory: place.path }),
      openElsewhere: async () => {
        // Nothing of the one machine's paths is the other's, nor how it copies files.
        const other = await openPlace(kind === "copy" ? "snapshot" : "copy");
        others.push(other);
        return openPodmanSandbox({ directory: other.path });
      },
      close: async () => {
        for (const { id } of await client.list()) await (await client.attach(id))?.delete();
        for (const { id } of await client.listCheckpoints()) await client.deleteCheckpoint(id);
        for (const each of [place, ...others]) await each.remove();
      },
    };
  };
}

const reason = whyNoPodman();

describe.skipIf(reason !== undefined)(`the kit${reason === undefined ? "" : ` (${reason})`}`, () => {
  testSandboxClient({
    name: "containers on btrfs",
    open: openOn("snapshot"),
    capabilities: { contained: true, forks: "memory", travels: true },
  });

  it("waits for a place under the ceiling of boxes, and hands it on when a box is deleted", async () => {
    const place = await openPlace("copy");
    const client = await openPodmanSandbox({ directory: place.path, maxBoxes: 1 });
    const profile = { name: "scripted", agent: "scripted" };
    const first = await client.create({ profile });
    const controller = new AbortController();
    const impatient = client.create({ profile, signal: controller.signal });
    const patient = client.create({ profile });
    controller.abort();
    await expect(impatient).rejects.toMatchObject({ name: "AbortError" });
    expect((await client.list()).length).toBe(1);
    await first.delete();
    await (await patient).delete();
    expect(await client.list()).toEqual([]);
    await client.close();
    await place.remove();
  });
});
