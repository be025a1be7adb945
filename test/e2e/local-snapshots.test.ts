import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLocalSandbox } from "../../dist/sandbox/local/index.js";
import { openPlace, whyNoPodman } from "./podman-here.test.support.ts";

const reason = whyNoPodman();

// A file system of its own needs root and btrfs-progs, as the containers of the other tests do.
describe.skipIf(reason !== undefined)("local boxes on btrfs", () => {
  it("B2: are forked by snapshots, which share nothing that is changed later and leave nothing", async () => {
    await using place = await openPlace("snapshot");
    await using client = await openLocalSandbox({ directory: place.path });
    expect(client.capabilities.files).toBe("snapshot");
    expect(await client.forkStatus()).toMatchObject({ available: true, reason: expect.stringContaining("snapshots") });
    const profile = { name: "scripted", agent: "scripted" };
    const parent = await client.create({ profile, files: [{ path: "a.txt", data: "before" }] });
    const { checkpointId } = await parent.checkpoint();
    await parent.writeFile("a.txt", "after");
    const fork = await parent.fork(checkpointId);
    await fork.writeFile("b.txt", "of the fork");
    expect(Buffer.from(await fork.readFile("a.txt")).toString()).toBe("before");
    await expect(parent.readFile("b.txt")).rejects.toMatchObject({ code: "path_not_found" });
    const again = await client.restore(checkpointId);
    await expect(again.readFile("b.txt")).rejects.toMatchObject({ code: "path_not_found" });
    const list = (): string => execFileSync("btrfs", ["subvolume", "list", place.path], { encoding: "utf8" });
    expect(list()).toContain(join("boxes", fork.id, "workspace"));
    await Promise.all([parent.delete(), fork.delete(), again.delete()]);
    await client.deleteCheckpoint(checkpointId);
    expect(list()).toBe("");
  });
});
