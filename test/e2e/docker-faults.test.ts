import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BoxEvent } from "skein";
import type { DockerBox, DockerSandboxClient } from "skein/sandbox/docker";
import { buildDockerImage, openDockerSandbox } from "skein/sandbox/docker";
import { createModelGateway } from "skein/sandbox/gateway";
import type { ScriptedModel } from "skein/testing";
import { startScriptedModel } from "skein/testing";
import { DISK_FILLERS, expectDiskFull } from "./disk-fillers.test.support.ts";
import type { TestEngine } from "./docker-engine.test.support.ts";
import { removeImagesOf, startEngine } from "./docker-engine.test.support.ts";
import { whyNoPodman } from "./podman-here.test.support.ts";

const reason = whyNoPodman();
const profile = { name: "scripted", agent: "scripted" };
const KEY = "real-key-of-the-host";

interface Said {
  readonly id: string;
  readonly fork: string;
  readonly checkpointId: string;
  readonly after: number;
}

describe.skipIf(reason !== undefined)(`boxes over Docker's API${reason === undefined ? "" : ` (${reason})`}`, () => {
  let engine: TestEngine;
  let directory: string;
  let model: ScriptedModel;
  let client: DockerSandboxClient;

  beforeAll(async () => {
    engine = await startEngine("unix");
    directory = await mkdtemp(join(tmpdir(), "skein-docker-"));
    model = await startScriptedModel({ key: KEY });
    const gateway = createModelGateway({ upstreams: [{ api: "anthropic", baseUrl: model.url, key: KEY }] });
    client = await openDockerSandbox({ directory, host: engine.host, gateway, maxLayers: 4 });
  }, 120_000);
  // The engine goes first, whatever else was made: what it served is on this machine's own Podman.
  afterAll(async () => {
    await engine?.stop();
    await client?.close();
    await model?.close();
    removeImagesOf(directory);
    await rm(directory, { recursive: true, force: true });
  });

  const withBox = async (use: (box: DockerBox) => Promise<void>): Promise<void> => {
    const box = await client.create({ profile });
    try {
      await use(box);
    } finally {
      await box.delete();
    }
  };
  /** What the engine still has of the boxes and checkpoints that were made here, whatever label it carries. */
  const kept = (): string => {
    const containers = execFileSync("podman", ["ps", "--all", "--format={{.Names}}"], { encoding: "utf8" });
    const images = execFileSync("podman", ["images", "--all", "--format={{.Repository}}:{{.Tag}}"], {
      encoding: "utf8",
    });
    const known = [...boxIds, ...checkpointIds];
    return [...containers.split("\n"), ...images.split("\n")]
      .filter((line) => known.some((id) => line.includes(id)))
      .join("\n");
  };
  const boxIds: string[] = [];
  const checkpointIds: string[] = [];

  it("B1: a box has no network, no capability and nothing of the host", () =>
    withBox(async (box) => {
      const { stdout } = await box.exec([
        "sh",
        "-c",
        "ls /sys/class/net; grep -E 'CapEff|NoNewPrivs' /proc/self/status; ls /home; cat /proc/*/environ | tr '\\0' '\\n'",
      ]);
      expect(stdout).toMatch(/^lo\nCapEff:\t0{16}\nNoNewPrivs:\t1\nagent\n/);
      expect(stdout).not.toContain(KEY);
      expect(stdout).not.toContain(directory);
      expect((await box.exec(["ls", directory])).exitCode).not.toBe(0);
    }));

  it("keeps the limits of a box", async () => {
    const box = await client.create({ profile, limits: { memoryMb: 256, pids: 64 } });
    try {
      const { exitCode } = await box.exec(["node", "-e", "const a=[];for(;;)a.push(Buffer.alloc(1e7,1))"]);
      expect(exitCode).not.toBe(0);
      const forks = await box.exec(["sh", "-c", "for i in $(seq 200); do sleep 5 & done; wait"], {
        timeoutMs: 20_000,
      });
      expect(forks.exitCode).not.toBe(0);
    } finally {
      await box.delete();
    }
  });

  it("B1: ends a box that has more on the disk than it may, wherever in its container, and a fork of one", async () => {
    const limited = { profile, limits: { diskMb: 16 } };
    const boxes = [await client.create(limited)];
    const { checkpointId } = await (boxes[0] as DockerBox).checkpoint();
    boxes.push(await (boxes[0] as DockerBox).fork(checkpointId), await client.create(limited));
    const elsewhere = "for d in /usr /home; do head -c 10000000 /dev/zero > $d/f; done; sleep 60";
    try {
      const fillers = [...DISK_FILLERS, elsewhere];
      await Promise.all(boxes.map((box, index) => expectDiskFull(box, fillers[index] as string)));
    } finally {
      await client.deleteCheckpoint(checkpointId);
      await Promise.all(boxes.map((box) => box.delete()));
    }
  });

  it("reaches its models through the gateway, and so does its fork", () =>
    withBox(async (box) => {
      const turn = async (target: DockerBox): Promise<string> => {
        const events: BoxEvent[] = [];
        for await (const event of target.streamPrompt("call {{say: hi}}", { sessionId: "c" })) events.push(event);
        expect(events.some((event) => event.type === "usage.reported")).toBe(true);
        return events.map((event) => (event.type === "text.delta" ? event.text : "")).join("");
      };
      expect(await turn(box)).toBe("200 hi");
      const { checkpointId } = await box.checkpoint();
      const fork = await box.fork(checkpointId);
      expect(await turn(fork)).toBe("200 hi");
      await client.deleteCheckpoint(checkpointId);
      await fork.delete();
    }));

  it("B2: a fork of a fork of a fork has all their files, also where layers are made into one", () =>
    withBox(async (first) => {
      const made: DockerBox[] = [];
      const checkpoints: string[] = [];
      let box = first;
      for (const name of ["a", "b", "c"]) {
        await box.writeFile(name, `of ${box.id}`);
        const { checkpointId } = await box.checkpoint();
        checkpoints.push(checkpointId);
        checkpointIds.push(checkpointId);
        const next = await box.fork(checkpointId);
        made.push(next);
        boxIds.push(next.id);
        expect(Buffer.from(await next.readFile(name)).toString()).toBe(`of ${box.id}`);
        box = next;
      }
      expect((await box.exec(["sh", "-c", "ls; stat -c %U:%a /workspace /home/agent"])).stdout).toMatch(
        /^a\nb\nc\nroot/,
      );
      // Parents' checkpoints go before the forks that stand on their layers.
      for (const id of checkpoints) await client.deleteCheckpoint(id);
      for (const fork of made) await fork.delete();
      await client.sweep();
      expect(kept()).toBe("");
    }));

  it("B3, B5: goes on in the turn of a process that was killed, and leaves nothing of it", async () => {
    const child = spawn(process.execPath, ["test/e2e/docker-child.mjs", directory, engine.host], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
    child.kill("SIGKILL");
    await once(child, "exit");
    const { id, fork, checkpointId, after } = JSON.parse(line) as Said;
    boxIds.push(id, fork);
    checkpointIds.push(checkpointId);
    expect(await client.sweep()).toEqual([]);
    const box = await client.attach(id);
    await box?.writeFile("go", "");
    const read: number[] = [];
    for await (const event of box?.resumeTurn("long", { after }) ?? []) read.push(event.turn?.seq ?? 0);
    expect(read).toEqual(read.map((_seq, index) => after + index + 1));
    expect(read.length).toBeGreaterThanOrEqual(30);
    await box?.delete();
    await (await client.attach(fork))?.delete();
    await client.deleteCheckpoint(checkpointId);
    expect(await client.list()).toEqual([]);
    expect(kept()).toBe("");
  });

  it("B5: keeps a turn while the engine's service is away, and says that the box is not gone", () =>
    withBox(async (box) => {
      const turn = box.streamPrompt("chunks 5\ngate go\nchunks 5", { turnId: "away" })[Symbol.asyncIterator]();
      for (let index = 0; index < 5; index++) expect((await turn.next()).done).toBe(false);
      await engine.kill();
      await expect(client.attach(box.id)).rejects.toMatchObject({ code: "sandbox_away" });
      await expect(client.create({ profile })).rejects.toMatchObject({ code: "sandbox_away" });
      await engine.start();
      const again = await (await openDockerSandbox({ directory, host: engine.host })).attach(box.id);
      await again?.writeFile("go", "");
      const read: number[] = [];
      for await (const event of again?.resumeTurn("away", { after: 5 }) ?? []) read.push(event.turn?.seq ?? 0);
      expect(read.slice(0, 5)).toEqual([6, 7, 8, 9, 10]);
      await again?.delete();
    }));

  it("B3: sweeps a box that was removed behind its back, and one that has no folder", async () => {
    const [removed, unknown] = [await client.create({ profile }), await client.create({ profile })];
    boxIds.push(removed.id, unknown.id);
    execFileSync("podman", ["rm", "--force", "--time=0", `skein-${removed.id}`], { stdio: "ignore" });
    expect(await client.list()).toMatchObject([{ state: "dead" }, { state: "running" }]);
    await expect(removed.exec(["true"])).rejects.toMatchObject({ code: "box_gone" });
    expect(await client.attach(removed.id)).toBeNull();
    await removed.delete();
    await rm(join(directory, "boxes", unknown.id), { recursive: true });
    await client.sweep();
    expect(kept()).toBe("");
    await unknown.delete();
    expect(await readdir(join(directory, "boxes"))).toEqual([]);
  });

  it("lets a process end that closes nothing", async () => {
    const child = spawn(process.execPath, ["test/e2e/docker-child.mjs", directory, engine.host, "leave"], {
      stdio: "inherit",
    });
    expect(await once(child, "exit")).toEqual([0, null]);
    for (const { id } of await client.list()) await (await client.attach(id))?.delete();
  });

  it("says which image it has not, and makes one that was sent through the API", async () => {
    await expect(client.create({ profile, image: "localhost/no-such:1" })).rejects.toMatchObject({
      code: "box_image_unknown",
    });
    const name = `localhost/skein-test:${process.pid}`;
    expect(await buildDockerImage({ host: engine.host, name })).toBe(name);
    try {
      const box = await client.create({ profile, image: name });
      expect((await box.exec(["git", "--version"])).exitCode).toBe(0);
      await box.delete();
    } finally {
      removeImagesOf(directory);
      execFileSync("podman", ["rmi", name], { stdio: "ignore" });
    }
  });

  it("waits for a place under the ceiling of boxes", async () => {
    await using narrow = await openDockerSandbox({ directory, host: engine.host, maxBoxes: 1 });
    const first = await narrow.create({ profile });
    const second = narrow.create({ profile });
    expect((await narrow.list()).length).toBe(1);
    await first.delete();
    await (await second).delete();
  });
});

it("says what is missing where there is no engine", async () => {
  await expect(
    openDockerSandbox({ directory: join(tmpdir(), "skein-never-made"), host: "unix:///nowhere/engine.sock" }),
  ).rejects.toMatchObject({ code: "sandbox_unavailable" });
  await expect(
    openDockerSandbox({ directory: join(tmpdir(), "skein-never-made"), host: "engine" }),
  ).rejects.toMatchObject({ code: "invalid_option" });
});
