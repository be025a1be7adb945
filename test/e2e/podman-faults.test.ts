import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm } from "node:fs/promises";
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
    });
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
          expect(execFileSync("btrfs", ["subvolume", "list", place.path], { encoding: "utf8" })).toBe("");
          expect(await listMounts(place.path)).toHaveLength(1);
          expect(await findNamed(place.path)).toEqual([]);
        }
      },
    );

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

/** Processes that name the place in their command line, such as a Podman that was left alone. */
async function findNamed(path: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (line.includes(path)) found.push(line.replaceAll("\0", " "));
  }
  return found;
}
