import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { identifyProcess, isAlive } from "../../internal/process-identity.ts";
import { startProcess } from "../../internal/spawn-process.ts";
import { collect, take, textIn } from "../../testing/box-events.ts";
import { canContainHere } from "./contained-here.test.support.ts";
import { openLocalSandbox } from "./open-local-sandbox.ts";
import type { BoxRecord } from "../provider/index.ts";
import { findBoxProcesses } from "../provider/index.ts";

const profile = { name: "scripted", agent: "scripted" };
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "skein-life-"));
});

afterEach(async () => {
  const client = await openLocalSandbox({ directory, containment: "none" });
  for (const { id } of await client.list()) for (const { pid } of findBoxProcesses(id)) process.kill(pid, "SIGKILL");
  await rm(directory, { recursive: true, force: true });
});

/** Runs code in a process of its own, with `open` at hand, until it has said as many lines as asked for; then kills it. */
async function inKilledProcess(code: string, lines: number): Promise<string[]> {
  const entry = new URL("./index.js", import.meta.url).href;
  const source = `import { openLocalSandbox } from ${JSON.stringify(entry)};
    const open = (containment) => openLocalSandbox({ directory: ${JSON.stringify(directory)}, containment });
    const profile = ${JSON.stringify(profile)};
    ${code}`;
  const child = startProcess([process.execPath, "--input-type=module", "-e", source], {
    env: { PATH: process.env["PATH"] ?? "" },
    stdio: ["ignore", "pipe", 2],
    detached: false,
  });
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stdout as Readable })) {
    said.push(line);
    if (said.length === lines) break;
  }
  child.kill("SIGKILL");
  await once(child, "exit");
  return said;
}

async function changeRecord(id: string, change: Partial<BoxRecord>): Promise<void> {
  const path = join(directory, "boxes", id, "box.json");
  await writeFile(path, JSON.stringify({ ...(JSON.parse(await readFile(path, "utf8")) as BoxRecord), ...change }));
}

/** An owner who cannot be alive: nobody started at that time. */
const deadOwner = { pid: process.pid, startedAt: "1", bootId: "another boot" };

describe.each((await canContainHere()) ? (["require", "none"] as const) : (["none"] as const))(
  "a local box (containment: %s)",
  (containment) => {
    it("B5: outlives its client, and whoever attaches reads the rest of the turn exactly once", async () => {
      const said = await inKilledProcess(
        `const box = await (await open(${JSON.stringify(containment)})).create({ profile });
       console.log(box.id);
       for await (const event of box.streamPrompt("chunks 5\\ngate go\\nchunks 5", { turnId: "t", sessionId: "c" })) console.log(event.turn.seq);`,
        6,
      );
      expect(said.slice(1)).toEqual(["1", "2", "3", "4", "5"]);
      const client = await openLocalSandbox({ directory, containment });
      const box = await client.attach(said[0] as string);
      await box?.writeFile("go", "");
      const rest = await collect(box?.resumeTurn("t", { after: 5 }) ?? []);
      // The last event is the patch with the file that opened the gate.
      expect(rest.map((event) => event.turn?.seq)).toEqual([6, 7, 8, 9, 10, 11]);
      expect(await box?.session("c").status()).toMatchObject({ id: "c", turns: 1 });
      await box?.delete();
      expect(await readdir(join(directory, "boxes"))).toEqual([]);
    });

    it("B3: is swept when its owner is dead and its process too", async () => {
      const [id = ""] = await inKilledProcess(
        `const box = await (await open(${JSON.stringify(containment)})).create({ profile }); console.log(box.id); setInterval(() => {}, 1000);`,
        1,
      );
      const client = await openLocalSandbox({ directory, containment });
      // Its claim is not over: whoever resumes may come for it.
      expect(await client.list()).toMatchObject([{ id, state: "running" }]);
      const record = JSON.parse(await readFile(join(directory, "boxes", id, "box.json"), "utf8")) as BoxRecord;
      process.kill(record.process?.pid as number, "SIGKILL");
      while (isAlive(record.process as { pid: number })) await delay(1);
      expect(await client.sweep()).toEqual([id]);
      expect(findBoxProcesses(id)).toEqual([]);
      expect(await client.list()).toEqual([]);
    });

    it("B3: is swept when its claim is over, whatever it says of its clients itself", async () => {
      const client = await openLocalSandbox({ directory, containment });
      const box = await client.create({ profile, claimMs: 60_000 });
      await client.close();
      await changeRecord(box.id, { owner: deadOwner });
      // Something in it asks boxd again and again, and passes for a client.
      expect(await client.sweep()).toEqual([]);
      await box.health();
      const longAgo = new Date(Date.now() - 91_000);
      await utimes(join(directory, "boxes", box.id, "box.json"), longAgo, longAgo);
      expect(await client.sweep()).toEqual([box.id]);
      expect(findBoxProcesses(box.id)).toEqual([]);
    });

    it("marks the record of a box that it holds, so that nobody else takes it for left", async () => {
      const client = await openLocalSandbox({ directory, containment });
      const box = await client.create({ profile, claimMs: 4000 });
      const record = join(directory, "boxes", box.id, "box.json");
      await utimes(record, 0, 0);
      while ((await stat(record)).mtimeMs < 1000) await delay(10);
      await box.delete();
    });

    it("B3: ends itself when no client was heard for the length of its claim, and is swept then", async () => {
      const client = await openLocalSandbox({ directory, containment });
      const box = await client.create({ profile, claimMs: 1000 });
      const record = JSON.parse(await readFile(join(directory, "boxes", box.id, "box.json"), "utf8")) as BoxRecord;
      // A client that holds it keeps it alive; only time can show that.
      await delay(1300);
      expect(isAlive(record.process as { pid: number })).toBe(true);
      await client.close();
      while (isAlive(record.process as { pid: number })) await delay(5);
      expect(await client.list()).toMatchObject([{ state: "dead" }]);
      // Its owner lives and may want to look at it.
      expect(await client.sweep()).toEqual([]);
      await changeRecord(box.id, { owner: deadOwner });
      expect(await client.sweep()).toEqual([box.id]);
    });

    it("B3: is swept when it was never finished", async () => {
      const client = await openLocalSandbox({ directory, containment });
      const box = await client.create({ profile });
      const path = join(directory, "boxes", box.id, "box.json");
      const { process: _process, ...unfinished } = JSON.parse(await readFile(path, "utf8")) as BoxRecord;
      await writeFile(path, JSON.stringify({ ...unfinished, state: "creating", owner: deadOwner }));
      expect(await client.sweep()).toEqual([box.id]);
      expect(findBoxProcesses(box.id)).toEqual([]);
    });

    it("B3: never kills a process that only has the number of an old one", async () => {
      const client = await openLocalSandbox({ directory, containment });
      const box = await client.create({ profile });
      const mine = identifyProcess(process.pid);
      const real = (JSON.parse(await readFile(join(directory, "boxes", box.id, "box.json"), "utf8")) as BoxRecord)
        .process;
      await changeRecord(box.id, { owner: deadOwner, process: { ...(mine as { pid: number }), startedAt: "1" } });
      expect(await client.list()).toMatchObject([{ state: "dead" }]);
      process.kill(real?.pid as number, "SIGKILL");
      expect(await client.sweep()).toEqual([box.id]);
    });

    it("tells a turn that boxd was killed in, and deletes what is left of the box", async () => {
      const client = await openLocalSandbox({ directory, containment });
      const box = await client.create({ profile });
      const turn = box.streamPrompt("say one\nspawn spawned\nsay two\nhang")[Symbol.asyncIterator]();
      expect(textIn(await take(turn, 2))).toBe("onetwo");
      const boxd = findBoxProcesses(box.id).filter(({ pid }) => isBoxd(pid));
      for (const { pid } of boxd) process.kill(pid, "SIGKILL");
      await expect(turn.next()).rejects.toMatchObject({ code: "box_gone" });
      expect(await client.attach(box.id)).toBeNull();
      await box.delete();
      expect(await readdir(join(directory, "boxes"))).toEqual([]);
      expect(findBoxProcesses(box.id)).toEqual([]);
    });

    it("works in a directory with a path longer than a socket's may be", async () => {
      const deep = join(directory, "a-folder-with-a-long-name-".repeat(4), "and-another-one-".repeat(4));
      await mkdir(deep, { recursive: true });
      const client = await openLocalSandbox({ directory: deep, containment });
      const box = await client.create({ profile });
      expect(textIn(await collect(box.streamPrompt("say hello")))).toBe("hello");
      await box.delete();
    });

    it("is deleted also where it took the rights from its folders, and nothing outside is touched", async () => {
      const client = await openLocalSandbox({ directory, containment });
      const box = await client.create({ profile });
      await writeFile(join(directory, "outside"), "untouched");
      await box.exec([
        "sh",
        "-c",
        `mkdir -p closed/in && touch closed/in/x && ln -s ${directory} closed/link && chmod 000 closed/in closed`,
      ]);
      await box.delete();
      expect(await readdir(join(directory, "boxes"))).toEqual([]);
      expect(await readFile(join(directory, "outside"), "utf8")).toBe("untouched");
    });

    it("says why a box did not start, and leaves nothing", async () => {
      const client = await openLocalSandbox({ directory, containment });
      const from = join(directory, "nothing-here");
      await expect(client.create({ profile, files: [{ path: ".", from }] })).rejects.toMatchObject({
        code: "path_not_found",
      });
      await expect(client.create({ profile, image: "debian" })).rejects.toMatchObject({ code: "invalid_option" });
      expect(await readdir(join(directory, "boxes"))).toEqual([]);
    });
  },
);

function isBoxd(pid: number): boolean {
  const identity = identifyProcess(pid);
  if (identity === undefined) return false;
  return readCommand(pid).some((word) => word.endsWith("boxd-main.js")) && readCommand(pid)[0] !== "bwrap";
}

function readCommand(pid: number): string[] {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
}

describe("a machine without bubblewrap", () => {
  it("has boxes that say that they are not contained, and refuses to require it", async () => {
    const path = process.env["PATH"];
    const bin = join(directory, "bin");
    await mkdir(bin);
    await symlink(process.execPath, join(bin, "node"));
    process.env["PATH"] = bin;
    try {
      const client = await openLocalSandbox({ directory });
      expect(client.capabilities).toMatchObject({ contained: false, reason: "there is no bwrap on the PATH." });
      await expect(openLocalSandbox({ directory, containment: "require" })).rejects.toMatchObject({
        code: "not_contained",
        message: expect.stringContaining("apt-get install bubblewrap") as string,
      });
      const box = await client.create({ profile, files: [{ path: "src", from: bin }] });
      expect(textIn(await collect(box.streamPrompt("say hello")))).toBe("hello");
      const { checkpointId } = await box.checkpoint();
      await (await box.fork(checkpointId)).delete();
      await box.delete();
    } finally {
      process.env["PATH"] = path;
    }
  });
});
