import { mkdir, mkdtemp, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { collect, take } from "../../testing/box-events.ts";
import { measureDisk, readDeletedMaps } from "../boxd/measure-disk.ts";
import { canContainHere } from "./contained-here.test.support.ts";
import type { LocalSandboxClient } from "./local-sandbox-client.ts";
import { openLocalSandbox } from "./open-local-sandbox.ts";

const profile = { name: "scripted", agent: "scripted" };
const MEGABYTE = 1024 * 1024;

/** Each would go on past the limit, then wait to be ended; the waiting is bounded, so that a watch that does not see it fails the test. */
const FILLERS = {
  "many files": "i=0; while [ $i -lt 60 ]; do head -c 1000000 /dev/zero > f$i; i=$((i+1)); done; sleep 60",
  "many files without content": "mkdir d; cd d; seq 1 6000 | xargs touch; sleep 60",
  "files in its home and beside its socket":
    "for d in $HOME /run/box; do head -c 10000000 /dev/zero > $d/f; done; sleep 60",
} as const;
/** What only the walls make known: which processes are the box's. */
const CONTAINED_FILLERS = {
  "files that are held open after they were deleted":
    'i=3; while [ $i -lt 9 ]; do eval "exec $i> gone$i; head -c 4000000 /dev/zero >&$i"; rm gone$i; i=$((i+1)); done; sleep 60',
} as const;

const canContain = await canContainHere();

describe.each(canContain ? (["require", "none"] as const) : (["none"] as const))(
  "the limit of what a local box has on the disk (containment: %s)",
  (containment) => {
    let directory: string;
    let client: LocalSandboxClient;

    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), "skein-disk-"));
      client = await openLocalSandbox({ directory, containment });
    });
    afterEach(async () => {
      for (const { id } of await client.list()) await (await client.attach(id))?.delete();
      await client.close();
      await rm(directory, { recursive: true, force: true });
    });

    const fillers = { ...FILLERS, ...(containment === "require" ? CONTAINED_FILLERS : {}) };
    it.each(Object.entries(fillers).filter(([name]) => containment === "require" || !name.includes("socket")))(
      "B1: ends a box that fills it with %s",
      async (_name, command) => {
        const box = await client.create({ profile, limits: { diskMb: 16 } });
        const full = { code: "box_disk_full", message: expect.stringContaining("more than 16 MB") };
        await expect(box.exec(["sh", "-c", command], { timeoutMs: 60_000 })).rejects.toMatchObject(full);
        // It says so to whoever asks later, and is deleted like any other.
        await expect(box.exec(["true"])).rejects.toMatchObject(full);
        await expect(box.writeFile("more", "x")).rejects.toMatchObject(full);
        await expect(collect(box.streamPrompt("say hi"))).rejects.toMatchObject(full);
        await box.delete();
        expect(await client.list()).toEqual([]);
      },
      90_000,
    );

    it("fails the turn that is under way, after its events", async () => {
      const box = await client.create({ profile, limits: { diskMb: 16 } });
      const turn = box.streamPrompt("chunks 2\ngate never");
      expect(await take(turn, 2)).toHaveLength(2);
      await expect(box.exec(["sh", "-c", FILLERS["many files"]])).rejects.toMatchObject({ code: "box_disk_full" });
      await expect(collect(turn)).rejects.toMatchObject({ code: "box_disk_full" });
    }, 90_000);

    it("leaves alone a box that stays below it, however often it writes", async () => {
      const box = await client.create({ profile, limits: { diskMb: 16 } });
      const write = "i=0; while [ $i -lt 30 ]; do head -c 4000000 /dev/zero > f; ln -f f g; i=$((i+1)); done";
      expect((await box.exec(["sh", "-c", write])).exitCode).toBe(0);
      expect((await box.exec(["ls"])).stdout).toBe("f\ng\n");
    });
  },
);

describe("what is counted", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "skein-measure-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("stops where it is enough", async () => {
    for (let index = 0; index < 20; index++) await writeFile(join(folder, `${index}`), "");
    const sum = await measureDisk([folder], { enough: 8 * 4096, ownsProcesses: false });
    expect(sum).toBe(8 * 4096);
  });

  it("is of a container's own files what was changed since it started, and each file once", async () => {
    await mkdir(join(folder, "image/deep"), { recursive: true });
    await mkdir(join(folder, "workspace"));
    for (const name of ["image/kept", "image/deep/changed", "workspace/file"])
      await writeFile(join(folder, name), Buffer.alloc(MEGABYTE));
    // From the future on nothing of the image has changed; from the past on all of it has.
    const measure = (sinceMs: number): Promise<number> =>
      measureDisk([join(folder, "workspace")], {
        enough: 64 * MEGABYTE,
        ownsProcesses: false,
        layer: { root: folder, sinceMs },
      });
    // Folders count too, and what a file takes beside its content is the file system's affair.
    const megabytes = async (sinceMs: number): Promise<number> => Math.round((await measure(sinceMs)) / MEGABYTE);
    expect(await megabytes(Date.now() + 60_000)).toBe(1);
    expect(await megabytes(0)).toBe(3);
    // Its own time is what a box can set; that of the change is not.
    const { ctimeMs } = await stat(join(folder, "image/kept"));
    await vi.waitFor(
      async () => {
        await utimes(join(folder, "image/deep/changed"), 0, 0);
        expect((await stat(join(folder, "image/deep/changed"))).ctimeMs).toBeGreaterThan(ctimeMs + 1);
      },
      { timeout: 10_000 },
    );
    expect(await megabytes(ctimeMs + 1)).toBe(2);
  });

  it("is what a process has mapped of a file that nobody can open", () => {
    const maps = [
      "7f0000000000-7f0000100000 rw-s 00000000 fe:00 77                         /workspace/a b (deleted)",
      "7f0000100000-7f0000200000 rw-s 00100000 fe:00 77                         /workspace/a b (deleted)",
      "7f0000200000-7f0000300000 r-xp 00000000 fe:00 78                         /usr/bin/node",
      "7f0000300000-7f0000400000 rw-s 00000000 00:01 79                         /dev/zero (deleted)",
    ].join("\n");
    expect([...readDeletedMaps(maps, ["/workspace"])]).toEqual([["77", 2 * MEGABYTE]]);
  });
});
