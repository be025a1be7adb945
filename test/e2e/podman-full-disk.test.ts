import { execFileSync } from "node:child_process";
import { mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Box, StoredEvent } from "skein";
import { fanout, openMemoryStore, runLoop } from "skein";
import type { PodmanBox, PodmanSandboxClient } from "skein/sandbox/podman";
import { openPodmanSandbox } from "skein/sandbox/podman";
import { listContainers, openSmallPlace, whyNoPodman } from "./podman-here.test.support.ts";

const reason = whyNoPodman();
const profile = { name: "scripted", agent: "scripted" };
const MEGABYTE = 1024 * 1024;
/** More than a test needs; memory is taken for what lies there, not for what could. */
const ENOUGH = 1024 * MEGABYTE;
/** Less than the memory of boxd and an agent in Node, which is 30 MB and more, and enough for the files of a box. */
const FOR_FILES = 12 * MEGABYTE;
/** Less than the files of a box that has {@link FILE}. */
const FOR_NOTHING = MEGABYTE;
const FILE = { path: "large", data: Buffer.alloc(3 * MEGABYTE, 1) };
const FULL = /no space left on device.*\. Free some space there/i;

describe.skipIf(reason !== undefined)(`boxes on a full disk${reason === undefined ? "" : ` (${reason})`}`, () => {
  let place: Awaited<ReturnType<typeof openSmallPlace>>;
  let client: PodmanSandboxClient;

  beforeAll(async () => {
    place = await openSmallPlace(ENOUGH);
    client = await openPodmanSandbox({ directory: place.path });
    expect(await client.criuStatus()).toMatchObject({ available: true });
  }, 120_000);
  beforeEach(() => place.leaveRoom(ENOUGH));
  afterEach(() => place.leaveRoom(ENOUGH));
  afterAll(async () => {
    for (const { id } of await client.list()) await client.discard(id);
    await place.remove();
  });

  /** What lies in the folders of the directory, and of the box in Podman's. */
  async function look(box: PodmanBox): Promise<Record<string, string[]>> {
    const folder = await findFolder(box.id);
    return {
      boxes: (await readdir(join(place.path, "boxes"))).toSorted(),
      checkpoints: (await readdir(join(place.path, "checkpoints"))).toSorted(),
      scratch: await readdir(join(place.path, "boxes", box.id, "scratch")),
      containers: listContainers(place.path).toSorted(),
      podman: (await readdir(folder)).toSorted(),
    };
  }

  it("a checkpoint fails with the reason, leaves nothing, and the box goes on", { timeout: 120_000 }, async () => {
    const box = await client.create({ profile, files: [FILE] });
    await say(box, "remember it");
    const before = await look(box);
    for (const [room, mode] of [
      [FOR_FILES, "memory"],
      [FOR_NOTHING, "memory"],
      [FOR_NOTHING, "files"],
    ] as const) {
      place.leaveRoom(room);
      await expect(box.checkpoint({ mode })).rejects.toMatchObject({
        code: "checkpoint_failed",
        message: expect.stringMatching(FULL) as string,
      });
      expect(await look(box)).toEqual(before);
      expect(await say(box, "recall")).toBe("it");
    }
    place.leaveRoom(ENOUGH);
    const { checkpointId } = await box.checkpoint({ mode: "memory" });
    // Podman's own copy of the memory does not stay either.
    expect((await look(box))["podman"]).toEqual(before["podman"]);
    await client.deleteCheckpoint(checkpointId);
    await box.delete();
  });

  it("a dump for which Podman's own disk has no room fails, and the box goes on", { timeout: 120_000 }, async () => {
    const box = await client.create({ profile });
    await say(box, "remember it");
    const before = await look(box);
    const images = join(await findFolder(box.id), "checkpoint");
    await mkdir(images);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", images]);
    try {
      await expect(box.checkpoint({ mode: "memory" })).rejects.toMatchObject({
        code: "checkpoint_failed",
        message: expect.stringMatching(/CRIU: .*no space left on device/i) as string,
      });
    } finally {
      execFileSync("umount", [images]);
    }
    expect(await say(box, "recall")).toBe("it");
    const { checkpointId } = await box.checkpoint({ mode: "memory" });
    await client.deleteCheckpoint(checkpointId);
    expect(await look(box)).toEqual(before);
    await box.delete();
  });

  it("a fork fails with the reason and leaves nothing, and so does a new box", { timeout: 120_000 }, async () => {
    const box = await client.create({ profile, files: [FILE] });
    await say(box, "remember it");
    const memory = await box.checkpoint({ mode: "memory" });
    const files = await box.checkpoint({ mode: "files" });
    const before = await look(box);
    const failing = async (code: string, made: Promise<unknown>): Promise<void> => {
      await expect(made).rejects.toMatchObject({ code, message: expect.stringMatching(FULL) as string });
      expect(await look(box)).toEqual(before);
    };
    place.leaveRoom(FOR_FILES);
    await failing("fork_failed", box.fork(memory.checkpointId));
    place.leaveRoom(FOR_NOTHING);
    await failing("fork_failed", box.fork(memory.checkpointId));
    await failing("fork_failed", box.fork(files.checkpointId));
    await failing("box_create_failed", client.create({ profile, files: [FILE] }));
    expect(await say(box, "recall")).toBe("it");
    place.leaveRoom(ENOUGH);
    const child = await box.fork(memory.checkpointId);
    expect(await say(child, "recall")).toBe("it");
    await Promise.all([child.delete(), box.delete()]);
    for (const { checkpointId } of [memory, files]) await client.deleteCheckpoint(checkpointId);
  });

  it(
    "K6: a loop forks the files where there is no room for the memory, and records why",
    { timeout: 120_000 },
    async () => {
      await using store = await openMemoryStore();
      const forks: StoredEvent[] = [];
      let validated = 0;
      const result = await runLoop<string, string, string>({
        task: "say done",
        driver: fanout({ k: 2, prepare: true }),
        agentRun: { profile, taskToPrompt: (task) => task },
        output: {
          parse: (events) => events.flatMap((each) => (each.type === "text.delta" ? [each.text] : [])).join(""),
        },
        validator: {
          validate: () => {
            if (validated++ === 0) place.leaveRoom(FOR_FILES);
            return { valid: validated > 1, score: validated };
          },
        },
        sandboxClient: client,
        store,
        lineage: { forkFanout: true },
        maxIterations: 3,
        onEvent: (event) => void (event.type === "box.forked" && forks.push(event)),
      });
      expect(forks).toMatchObject(
        [0, 1].map(() => ({ mode: "files", reason: expect.stringMatching(/^memory: .*no space left on device/) })),
      );
      expect(result.iterations.map(({ output }) => output)).toEqual(["done", "done", "done"]);
      expect(await client.list()).toEqual([]);
      expect(await client.listCheckpoints()).toEqual([]);
    },
  );
});

/** Podman's folder of a box's container. */
async function findFolder(id: string): Promise<string> {
  const format = "--format={{.OCIConfigPath}}";
  return dirname(execFileSync("podman", ["inspect", format, `skein-${id}`], { encoding: "utf8" }).trim());
}

async function say(box: Box, prompt: string): Promise<string> {
  let text = "";
  for await (const event of box.streamPrompt(prompt, { sessionId: "c" }))
    if (event.type === "text.delta") text += event.text;
  return text;
}
