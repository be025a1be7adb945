import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { PodmanSandboxClient } from "skein/sandbox/podman";
import { openPodmanSandbox } from "skein/sandbox/podman";
import type { Place } from "./podman-here.test.support.ts";
import { listContainers, openPlace, whyNoPodman } from "./podman-here.test.support.ts";

const reason = whyNoPodman();
/** Kills at each step; `SKEIN_KILLS` for more. */
const KILLS = Number(process.env["SKEIN_KILLS"] ?? "2");

const PROFILE = { name: "scripted", agent: "scripted" };

/** Podman, of which one call ends by a shot: STEP names the command, and after how many seconds. */
const KILLED_PODMAN = `#!/bin/sh
if [ -e STEP ]; then
  read -r step delay < STEP
  case " $* " in *" $step "*)
    podman "$@" & pid=$!
    sleep "$delay"
    kill -KILL $pid 2>/dev/null
    wait $pid
    exit $?;;
  esac
fi
exec podman "$@"
`;

describe.skipIf(reason !== undefined)(
  `boxes of processes that are killed${reason === undefined ? "" : ` (${reason})`}`,
  () => {
    let place: Place;
    let client: PodmanSandboxClient;

    beforeAll(async () => {
      place = await openPlace("snapshot");
      client = await openPodmanSandbox({ directory: place.path });
      // A probe and an image of its own would be most of what the child does.
      await client.criuStatus();
    }, 120_000);
    afterAll(() => place.remove());

    it.each(["create", "checkpoint", "fork", "delete"])(
      `B3: nothing is left of a process that was killed during %s, ${KILLS} times`,
      { timeout: 600_000 },
      async (step) => {
        for (let kill = 0; kill < KILLS; kill++) {
          const child = spawn(process.execPath, ["test/e2e/podman-child.mjs", place.path], {
            stdio: ["ignore", "pipe", "inherit"],
          });
          for await (const line of createInterface({ input: child.stdout })) {
            if (line !== step) continue;
            // Anywhere in the step: each takes a few tenths of a second.
            await delay(Math.random() * 600);
            child.kill("SIGKILL");
            break;
          }
          if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
          expect(child.signalCode).toBe("SIGKILL");
          // What still ran has three seconds in which somebody may come for it.
          await vi.waitFor(
            async () => {
              await client.sweep();
              expect(await client.list()).toEqual([]);
            },
            { timeout: 60_000, interval: 250 },
          );
          // A checkpoint that was finished is there to be restored from; this one's box is gone, and nobody asks for it.
          for (const { id } of await client.listCheckpoints()) await client.deleteCheckpoint(id);
          expect(listContainers(place.path)).toEqual([]);
          expect(await readdir(join(place.path, "boxes"))).toEqual([]);
          expect(await readdir(join(place.path, "checkpoints"))).toEqual([]);
          // The kernel removes a subvolume some time after its folder.
          await vi.waitFor(
            () => expect(execFileSync("btrfs", ["subvolume", "list", place.path], { encoding: "utf8" })).toBe(""),
            { timeout: 60_000, interval: 250 },
          );
          expect(await listMounts(place.path)).toHaveLength(1);
          expect(await findNamed(place.path)).toEqual([]);
          expect(listKnownToRuntime(place.path)).toEqual([]);
        }
      },
    );

    it(
      "B3: the parent goes on and nothing else is left where Podman itself is killed",
      { timeout: 600_000 },
      async () => {
        const step = join(place.path, "..", "step");
        const podman = join(place.path, "..", "podman");
        await writeFile(podman, KILLED_PODMAN.replaceAll("STEP", step), { mode: 0o755 });
        const own = await openPodmanSandbox({ directory: place.path, podman });
        const parent = await own.create({ profile: PROFILE });
        const { checkpointId } = await parent.checkpoint({ mode: "memory" });
        const steps = {
          run: () => own.create({ profile: PROFILE }),
          checkpoint: () => parent.checkpoint({ mode: "memory" }),
          restore: () => parent.fork(checkpointId),
        };
        for (const [name, take] of Object.entries(steps))
          for (let kill = 0; kill < KILLS; kill++) {
            await writeFile(step, `${name} ${(Math.random() * 0.8).toFixed(2)}\n`);
            // One that was done before the shot is as good as one that was not.
            const made = await take().catch((error: unknown) => {
              expect(error).toMatchObject({
                code: expect.stringMatching(/^(box_create|checkpoint|fork)_failed$/) as string,
              });
            });
            await rm(step);
            if (made !== undefined && "delete" in made) await made.delete();
            else if (made !== undefined) await own.deleteCheckpoint(made.checkpointId);
            expect(await parent.exec(["echo", "here"])).toMatchObject({ stdout: "here\n" });
            expect(listContainers(place.path)).toEqual([parent.id]);
            expect((await own.listCheckpoints()).map(({ id }) => id)).toEqual([checkpointId]);
          }
        await parent.delete();
        await own.deleteCheckpoint(checkpointId);
        await own.sweep();
        expect(listContainers(place.path)).toEqual([]);
        expect(listKnownToRuntime(place.path)).toEqual([]);
        await vi.waitFor(async () => expect(await findNamed(place.path)).toEqual([]), {
          timeout: 60_000,
          interval: 250,
        });
      },
    );

    it("B3: sweeps what a reboot left, and wakes a checkpoint that it left", async () => {
      const box = await client.create({ profile: PROFILE, claimMs: 600_000 });
      const { checkpointId } = await box.checkpoint({ mode: "memory" });
      box.release();
      execFileSync("podman", ["rm", "--force", "--time=0", `skein-${box.id}`], { stdio: "ignore" });
      const path = join(place.path, "boxes", box.id, "box.json");
      const record = JSON.parse(await readFile(path, "utf8")) as { owner: object; process: object };
      const boot = "00000000-0000-0000-0000-000000000000";
      const before = { ...record, owner: { ...record.owner, boot }, process: { ...record.process, boot } };
      await writeFile(path, JSON.stringify(before));
      expect(await client.list()).toMatchObject([{ id: box.id, state: "dead" }]);
      expect(await client.sweep()).toEqual([box.id]);
      expect(await readdir(join(place.path, "boxes"))).toEqual([]);
      const woken = await client.restore(checkpointId);
      expect(await woken.exec(["echo", "here"])).toMatchObject({ stdout: "here\n" });
      await woken.delete();
      await client.deleteCheckpoint(checkpointId);
      expect(listContainers(place.path)).toEqual([]);
    });

    it("B3: removes a container of this place whose box has no folder any more", async () => {
      const box = await client.create({ profile: { name: "scripted", agent: "scripted" } });
      await rm(join(place.path, "boxes", box.id), { recursive: true });
      expect(listContainers(place.path)).toEqual([box.id]);
      await client.sweep();
      expect(listContainers(place.path)).toEqual([]);
      await box.delete();
    });

    it("B5: goes on in the turn of a process that was killed", { timeout: 120_000 }, async () => {
      const child = spawn(process.execPath, ["test/e2e/podman-turn-child.mjs", place.path], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
      child.kill("SIGKILL");
      await once(child, "exit");
      const { id, after } = JSON.parse(line) as { id: string; after: number };
      expect(await client.sweep()).toEqual([]);
      const box = await client.attach(id);
      await box?.writeFile("go", "");
      const read: number[] = [];
      let text = "";
      for await (const event of box?.resumeTurn("long", { after }) ?? []) {
        read.push(event.turn?.seq ?? 0);
        if (event.type === "text.delta") text += event.text;
      }
      expect(read).toEqual(read.map((_seq, index) => after + index + 1));
      expect(text.trim().split(" ").map(Number)).toEqual([
        ...Array.from({ length: 10 }, (_item, index) => index + 11),
        ...Array.from({ length: 20 }, (_item, index) => index + 1),
      ]);
      await box?.delete();
      expect(await client.list()).toEqual([]);
    });
  },
);

async function listMounts(path: string): Promise<string[]> {
  return (await readFile("/proc/mounts", "utf8")).split("\n").filter((line) => line.includes(path));
}

/** Containers of this place that the runtime keeps a state of, though Podman may know nothing of them. */
function listKnownToRuntime(path: string): string[] {
  const listed = execFileSync("runc", ["list", "--format=json"], { encoding: "utf8" });
  const containers = JSON.parse(listed) as { id: string; annotations: Record<string, string> }[] | null;
  return (containers ?? []).filter((each) => JSON.stringify(each).includes(path)).map(({ id }) => id);
}

/** Processes that name the place in their command line, such as a Podman that was left alone. */
async function findNamed(path: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (line.includes(path)) found.push(line.replaceAll("\0", " "));
  }
  return found;
}
