import { mkdtemp, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { collect } from "../../testing/box-events.ts";
import { FileTrees } from "../provider/index.ts";
import { canContainHere } from "./contained-here.test.support.ts";
import { decideContainment, writeAccounts } from "./containment.ts";
import { LocalSandboxClient } from "./local-sandbox-client.ts";
import { openLocalSandbox } from "./open-local-sandbox.ts";
import { canLimit } from "./resource-limits.ts";

const profile = { name: "scripted", agent: "scripted" };
let directory: string;
let client: LocalSandboxClient;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "skein-measured-"));
});
afterEach(async () => {
  for (const { id } of await client.list()) await client.discard(id);
  await client.close();
  await rm(directory, { recursive: true, force: true });
});

/** Each process holds a part that would be allowed; together they are too much. They wait to be ended, for a bounded time. */
const HOARDERS = [
  [
    "memory",
    400,
    `for i in 1 2 3 4; do node -e "const held = Buffer.alloc(120 * 2 ** 20, 1); setTimeout(() => held, 60000)" & done; wait`,
  ],
  [
    "memory that processes share",
    400,
    "head -c 150000000 /dev/zero > /tmp/a; head -c 150000000 /dev/zero > /dev/shm/b; head -c 150000000 /dev/zero > /tmp/c; sleep 60",
  ],
  ["memory for files without content", 200, "mkdir /tmp/d; cd /tmp/d; seq 1 200000 | xargs touch; sleep 60"],
] as const;

// A machine without bubblewrap has no contained boxes.
describe.skipIf(!(await canContainHere()))("where no control groups can be made", () => {
  beforeEach(async () => {
    const [containment, limitsAvailable, accounts, trees] = await Promise.all([
      decideContainment("require", directory),
      canLimit(),
      writeAccounts(directory),
      FileTrees.open(directory),
    ]);
    client = new LocalSandboxClient({ directory, containment, accounts, limitsAvailable, trees });
    expect(client.capabilities.memoryLimit).toBe("measured");
  });

  it.each(HOARDERS)(
    "B1: a box that holds too much %s is ended as a whole",
    async (_what, memoryMb, command) => {
      const box = await client.create({ profile, limits: { memoryMb } });
      const full = { code: "box_memory_full", message: expect.stringContaining(`${memoryMb} MB of memory`) as string };
      await expect(box.exec(["sh", "-c", command], { timeoutMs: 60_000 })).rejects.toMatchObject(full);
      await expect(box.exec(["true"])).rejects.toMatchObject(full);
      await expect(collect(box.streamPrompt("say hi"))).rejects.toMatchObject(full);
    },
    90_000,
  );

  it("B1: a box that forks without end is ended", async () => {
    const box = await client.create({ profile, limits: { pids: 100 } });
    // A user other than root meets the limit himself, and the box lives.
    const bomb = "i=0; while [ $i -lt 300 ]; do sleep 60 & i=$((i+1)); done; wait";
    const ended = await box.exec(["sh", "-c", bomb], { timeoutMs: 60_000 }).then(
      ({ exitCode, stderr }) => exitCode !== 0 && stderr.includes("fork"),
      ({ code, message }: { code: string; message: string }) => code === "box_memory_full" && message.includes("pids"),
    );
    expect(ended).toBe(true);
  }, 90_000);

  it("B1: a box has its share of the processor as a whole, and what it has stopped itself stays so", async () => {
    const box = await client.create({ profile, limits: { cpu: 0.25 } });
    expect(client.capabilities).toMatchObject({
      cpuLimit: "measured",
      limits: expect.arrayContaining(["cpu"]) as string[],
    });
    const burn = 'node -e "while (process.cpuUsage().user + process.cpuUsage().system < 600000);"';
    const script = `sleep 600 & s=$!; kill -STOP $s; ${burn} & a=$!; ${burn} & wait $a $!; cut -d" " -f3 /proc/$s/stat`;
    const began = performance.now();
    const { stdout } = await box.exec(["sh", "-c", script]);
    // A machine that is slow, or has much else to do, makes it longer.
    expect(performance.now() - began).toBeGreaterThan(3 * 1200);
    expect(stdout).toBe("T\n");
    // It stands still for a copy whether or not it was standing still, and goes on after it.
    const { checkpointId } = await box.checkpoint();
    await client.deleteCheckpoint(checkpointId);
    expect((await box.exec(["echo", "on"])).stdout).toBe("on\n");
  }, 120_000);

  // By perl, which every Debian has: its processes share their memory when they fork, and those of Node do not.
  it.skipIf(!existsSync("/usr/bin/perl"))("counts what processes share only once", async () => {
    const box = await client.create({ profile, limits: { memoryMb: 600 } });
    // Five processes see the same 150 MB, which would be 750.
    const share =
      'perl -e \'my $held = "x" x 150_000_000; for (1 .. 4) { fork or do { sleep 2; exit } } wait for 1 .. 4; print "shared\\n"\'';
    expect((await box.exec(["sh", "-c", share])).stdout).toBe("shared\n");
  });
});

it("B1: a box that asks for a limit that nothing keeps is refused, and leaves nothing", async () => {
  const [containment, accounts, trees] = await Promise.all([
    decideContainment("none", directory),
    writeAccounts(directory),
    FileTrees.open(directory),
  ]);
  client = new LocalSandboxClient({ directory, containment, accounts, limitsAvailable: false, trees });
  expect(client.capabilities.limits).toEqual(["diskMb"]);
  expect(client.capabilities.cpuLimit).toBeUndefined();
  for (const limits of [{ cpu: 1 }, { diskMb: 100, pids: 5 }])
    await expect(client.create({ profile, limits })).rejects.toMatchObject({
      code: "box_create_failed",
      message: expect.stringContaining(Object.keys(limits).at(-1) as string) as string,
    });
  expect(await client.list()).toEqual([]);
});

describe.each((await canContainHere()) ? (["require", "none"] as const) : (["none"] as const))(
  "a box whose limits are measured (containment: %s)",
  (containment) => {
    it("B1: is ended when something in it has stopped what measures", async () => {
      client = await openLocalSandbox({ directory, containment });
      const box = await client.create({ profile, limits: { diskMb: 16 }, claimMs: 60_000 });
      // boxd is the parent of what it executes.
      const stopped = box.exec(["sh", "-c", "kill -STOP $PPID; sleep 60"], { timeoutMs: 60_000 });
      await expect(stopped).rejects.toMatchObject({ code: "box_gone" });
      await expect(box.exec(["true"])).rejects.toMatchObject({
        code: "box_gone",
        message: expect.stringContaining("stopped its boxd") as string,
      });
      // Its record is there until its owner deletes it.
      while ((await client.list())[0]?.state === "running") await delay(10);
      expect(await client.list()).toMatchObject([{ id: box.id, state: "dead" }]);
      await box.delete();
      expect(await client.list()).toEqual([]);
    });
  },
);
