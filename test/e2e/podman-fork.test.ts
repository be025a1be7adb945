import { execFileSync } from "node:child_process";
import { existsSync, truncateSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Box } from "skein";
import type { PodmanBox, PodmanSandboxClient } from "skein/sandbox/podman";
import { openPodmanSandbox } from "skein/sandbox/podman";
import type { Place } from "./podman-here.test.support.ts";
import { listContainers, openPlace, whyNoPodman } from "./podman-here.test.support.ts";

const reason = whyNoPodman();
const profile = { name: "scripted", agent: "scripted" };
/** `SKEIN_FORKS=100` for the long form. */
const FORKS = Number(process.env["SKEIN_FORKS"] ?? "10");

/** Counts in its memory and in a file, one after the other, as fast as it is let. */
const TICKER = `
const fs = require("node:fs");
const file = fs.openSync("ticks", "a");
let ticks = 0;
setInterval(() => {
  ticks++;
  fs.writeSync(file, ticks + "\\n");
  if (fs.existsSync("ask")) {
    fs.writeFileSync("answer.new", String(ticks));
    fs.renameSync("answer.new", "answer");
    process.exit();
  }
}, 1);
`;

/** Lives before the fork, and draws when it is asked. */
const DRAWER = `
const fs = require("node:fs");
const { randomUUID, randomBytes, randomInt, randomFillSync, webcrypto } = require("node:crypto");
Math.random(); randomUUID(); randomBytes(8);
fs.writeFileSync("ready", "");
const timer = setInterval(() => {
  if (!fs.existsSync("ask")) return;
  clearInterval(timer);
  const drawn = {
    randomUUID: randomUUID(),
    globalUUID: globalThis.crypto.randomUUID(),
    randomBytes: randomBytes(16).toString("hex"),
    randomInt: randomInt(2 ** 47),
    randomFill: randomFillSync(Buffer.alloc(16)).toString("hex"),
    getRandomValues: Buffer.from(webcrypto.getRandomValues(new Uint8Array(16))).toString("hex"),
    mathRandom: [Math.random(), Math.random()].join(),
    newProcess: require("node:child_process").execFileSync("node", ["-e", "console.log(crypto.randomUUID(), Math.random())"]).toString(),
    newThread: undefined,
  };
  new (require("node:worker_threads").Worker)("require('node:worker_threads').parentPort.postMessage(require('node:crypto').randomUUID() + Math.random())", { eval: true })
    .on("message", (word) => {
      fs.writeFileSync("answer.new", JSON.stringify({ ...drawn, newThread: word }));
      fs.renameSync("answer.new", "answer");
    });
}, 5);
`;

const ANSWERED = "touch ask; until [ -e answer ]; do sleep 0.02; done";

describe.skipIf(reason !== undefined)(`forks of containers${reason === undefined ? "" : ` (${reason})`}`, () => {
  let place: Place;
  let client: PodmanSandboxClient;

  beforeAll(async () => {
    place = await openPlace("snapshot");
    client = await openPodmanSandbox({ directory: place.path });
  });
  // Each test leaves nothing; what one that failed left must not fail the next.
  afterEach(async () => {
    const left = [...(await client.list()), ...(await client.listCheckpoints())].map(({ id }) => id);
    for (const id of left)
      await (id.startsWith("box") ? (await client.attach(id))?.delete() : client.deleteCheckpoint(id));
    expect(left).toEqual([]);
  });
  afterAll(() => place.remove());

  /** A box in which a Node program runs that nobody waits for. */
  async function startProgram(program: string, ready: string, at = client): Promise<PodmanBox> {
    const box = await at.create({
      profile,
      files: [{ path: "program.cjs", data: program }],
      labels: { made: "here" },
    });
    await box.exec([
      "sh",
      "-c",
      `setsid node program.cjs </dev/null >/dev/null 2>&1 & until [ -s ${ready} ] || [ -e ready ]; do sleep 0.02; done`,
    ]);
    return box;
  }

  const read = async (box: Box, path: string): Promise<string> =>
    Buffer.from((await box.readFile?.(path)) as Uint8Array).toString();

  it(
    `B2: has memory and files of one instant in each of ${FORKS} forks of a box that counts in both`,
    { timeout: 1_200_000 },
    async () => {
      const parent = await startProgram(TICKER, "ticks");
      const modes = new Set<string>();
      const torn: string[] = [];
      for (let done = 0; done < FORKS; done += 2) {
        const { checkpointId, mode } = await parent.checkpoint();
        modes.add(mode);
        const children = await Promise.all([parent.fork(checkpointId), parent.fork(checkpointId)]);
        for (const child of children) {
          await child.exec(["sh", "-c", ANSWERED]);
          const ticks = (await read(child, "ticks")).trim().split("\n").map(Number);
          const memory = Number(await read(child, "answer"));
          const gap = ticks.findIndex((tick, index) => tick !== index + 1);
          if (gap !== -1 || ticks.length !== memory)
            torn.push(`memory at ${memory}, file at ${ticks.length}, gap at ${gap}`);
          await child.delete();
        }
        await client.deleteCheckpoint(checkpointId);
      }
      // The parent went on all the time, and noticed nothing.
      await parent.exec(["sh", "-c", ANSWERED]);
      const ticks = (await read(parent, "ticks")).trim().split("\n").map(Number);
      expect(ticks.every((tick, index) => tick === index + 1)).toBe(true);
      expect(await read(parent, "answer")).toBe(String(ticks.length));
      await parent.delete();
      expect(torn).toEqual([]);
      expect([...modes]).toEqual(["memory"]);
    },
  );

  it("B2: has memory and files of one instant also where files are copied in full", async () => {
    await using other = await openPlace("copy");
    const there = await openPodmanSandbox({ directory: other.path });
    expect(there.capabilities.files).toBe("copy");
    const parent = await startProgram(TICKER, "ticks", there);
    const { checkpointId } = await parent.checkpoint({ mode: "memory" });
    const child = await parent.fork(checkpointId);
    await child.exec(["sh", "-c", ANSWERED]);
    const ticks = (await read(child, "ticks")).trim().split("\n").map(Number);
    expect(ticks.findIndex((tick, index) => tick !== index + 1)).toBe(-1);
    expect(await read(child, "answer")).toBe(String(ticks.length));
    await Promise.all([parent.delete(), child.delete(), there.deleteCheckpoint(checkpointId)]);
    expect(listContainers(other.path)).toEqual([]);
  });

  it("keeps a connection to the outside in the parent, and closes it in the fork", async () => {
    const server = createServer((socket) => void socket.on("error", () => {}).pipe(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const talker = `const fs = require("node:fs"); const socket = require("node:net").connect(${port}, "127.0.0.1"); let heard = 0; socket.on("data", () => fs.writeFileSync("heard", String(++heard))).on("error", () => fs.writeFileSync("lost", "yes")); setInterval(() => socket.destroyed || socket.write("x"), 20);`;
    const parent = await client.create({ profile, network: "host", files: [{ path: "talker.cjs", data: talker }] });
    await parent.exec([
      "sh",
      "-c",
      "setsid node talker.cjs </dev/null >/dev/null 2>&1 & until [ -e heard ]; do sleep 0.02; done",
    ]);
    const { checkpointId } = await parent.checkpoint({ mode: "memory" });
    const child = await parent.fork(checkpointId);
    expect(
      (await child.exec(["sh", "-c", "until [ -e lost ]; do sleep 0.02; done"], { timeoutMs: 20_000 })).exitCode,
    ).toBe(0);
    const goesOn = 'before=$(cat heard); until [ "$(cat heard)" != "$before" ]; do sleep 0.02; done; ls lost';
    expect((await parent.exec(["sh", "-c", goesOn], { timeoutMs: 20_000 })).stdout).toBe("");
    await Promise.all([parent.delete(), child.delete(), client.deleteCheckpoint(checkpointId)]);
    server.close();
  });

  it("B6: four forks and their parent draw different random numbers, in processes, threads and programs old and new", async () => {
    const parent = await startProgram(DRAWER, "ready");
    const { checkpointId } = await parent.checkpoint({ mode: "memory" });
    const forks = await Promise.all([1, 2, 3, 4].map(() => parent.fork(checkpointId)));
    const draws = await Promise.all(
      [parent, ...forks].map(async (box) => {
        await box.exec(["sh", "-c", ANSWERED]);
        return JSON.parse(await read(box, "answer")) as Record<string, unknown>;
      }),
    );
    for (const name of Object.keys(draws[0] as object))
      expect(
        new Set(draws.map((drawn) => drawn[name])).size,
        `${name}: ${draws.map((drawn) => drawn[name]).join(" ")}`,
      ).toBe(5);
    await Promise.all([parent, ...forks].map((box) => box.delete()));
    await client.deleteCheckpoint(checkpointId);
  });

  it("B6: says what running programs still share", async () => {
    expect((await client.forkStatus()).reason).toContain("shared with the parent");
  });

  it("B6: gives a fork names of its own, and its limits and walls are those of its parent", async () => {
    const parent = await client.create({
      profile,
      limits: { memoryMb: 512, pids: 100, cpu: 0.5 },
      env: { GIVEN: "yes" },
    });
    const { checkpointId } = await parent.checkpoint({ mode: "memory" });
    const child = await parent.fork(checkpointId, { name: "a child", labels: { which: "child" } });
    const names = async (box: Box): Promise<string[]> =>
      (
        (await box.exec?.(["sh", "-c", 'hostname; echo "$SKEIN_BOX_ID"; cat /etc/hostname; echo; echo "$GIVEN"']))
          ?.stdout ?? ""
      )
        .trim()
        .split("\n");
    const host = (id: string): string => id.replace("_", "-");
    expect(await names(parent)).toEqual([host(parent.id), parent.id, host(parent.id), "yes"]);
    expect(await names(child)).toEqual([host(child.id), child.id, host(child.id), "yes"]);
    expect(await client.list({ which: "child" })).toMatchObject([{ id: child.id, name: "a child", state: "running" }]);
    expect(inspect(child.id, '{{index .Config.Labels "skein.box"}}')).toBe(child.id);
    expect(inspect(child.id, "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.NanoCpus}}")).toBe(
      `${512 * 1024 * 1024} 100 500000000`,
    );
    for (const box of [parent, child]) {
      const greedy = await box.exec(["node", "-e", "const a = []; for (;;) a.push(Buffer.alloc(16e6, 1));"]);
      expect(greedy.exitCode, box.id).toBe(137);
    }
    expect(existsSync("oom"), "a mark of the container's monitor in the folder of whoever made it").toBe(false);
    expect((await child.exec(["sh", "-c", "ls /sys/class/net; grep CapEff /proc/self/status"])).stdout).toMatch(
      /^lo\nCapEff:\s+0000000000000000\n$/,
    );
    await child
      .exec([
        "node",
        "-e",
        "require('node:http').createServer((_, r) => r.end('x')).listen(8080, '127.0.0.1', async () => process.exit((await (await fetch('http://127.0.0.1:8080')).text()) === 'x' ? 0 : 1))",
      ])
      .then(({ exitCode }) => expect(exitCode).toBe(0));
    await Promise.all([parent.delete(), child.delete(), client.deleteCheckpoint(checkpointId)]);
  });

  it("B2: goes on in the agent's memory, and forks a fork", async () => {
    const parent = await client.create({ profile });
    const pid = await say(parent, "pid\nremember one");
    const first = await parent.checkpoint({ mode: "memory" });
    const child = await parent.fork(first.checkpointId);
    expect(await say(child, "pid\nrecall")).toBe(`${pid}one`);
    await say(child, "remember two");
    const second = await child.checkpoint({ mode: "memory" });
    const grandchild = await child.fork(second.checkpointId);
    await child.delete();
    expect(await say(grandchild, "pid\nrecall")).toBe(`${pid}one,two`);
    expect(await say(parent, "recall")).toBe("one");
    await Promise.all([parent.delete(), grandchild.delete()]);
    for (const { checkpointId } of [first, second]) await client.deleteCheckpoint(checkpointId);
  });

  it("forks files alone where it is asked to, and the agent loads the conversation in the copy", async () => {
    const parent = await client.create({ profile });
    const pid = await say(parent, "pid\nremember one");
    const { checkpointId, mode } = await parent.checkpoint({ mode: "files" });
    expect(mode).toBe("files");
    const child = await parent.fork(checkpointId);
    const answer = await say(child, "recall\npid");
    expect(answer).toContain("one");
    expect(pid).not.toBe("");
    await Promise.all([parent.delete(), child.delete(), client.deleteCheckpoint(checkpointId)]);
  });

  it("stops a box that is not to be left running, and wakes it from its checkpoint", async () => {
    const box = await client.create({ profile });
    await say(box, "remember it");
    const { checkpointId } = await box.checkpoint({ mode: "memory", leaveRunning: false });
    expect(await client.list()).toMatchObject([{ id: box.id, state: "dead" }]);
    await box.delete();
    const woken = await client.restore(checkpointId);
    expect(await say(woken, "recall")).toBe("it");
    await Promise.all([woken.delete(), client.deleteCheckpoint(checkpointId)]);
  });

  it("says in CRIU's words why a checkpoint failed, leaves the box running, and can take it once the reason is gone", async () => {
    const box = await client.create({ profile });
    // Somebody else's connection: half of it is on the host, and no dump can hold that.
    const pid = JSON.parse(await readFile(join(place.path, "boxes", box.id, "box.json"), "utf8")).process.pid as number;
    const stranger = connect(`/proc/${pid}/root/run/box/box.sock`);
    await once(stranger, "connect");
    await expect(box.checkpoint({ mode: "memory" })).rejects.toMatchObject({
      code: "checkpoint_failed",
      message: expect.stringMatching(/CRIU: .*(unix|sock)/i) as string,
    });
    expect(await client.listCheckpoints()).toEqual([]);
    expect(await say(box, "say still here")).toBe("still here");
    stranger.destroy();
    await once(stranger, "close");
    const { checkpointId } = await box.checkpoint({ mode: "memory" });
    await Promise.all([box.delete(), client.deleteCheckpoint(checkpointId)]);
  });

  it("fails a fork whose checkpoint was cut short, and leaves nothing of it", async () => {
    const parent = await client.create({ profile });
    for (const part of [0.97, 0.5, 0.001]) {
      const { checkpointId } = await parent.checkpoint({ mode: "memory" });
      const archive = join(place.path, "checkpoints", checkpointId, "memory.tar");
      const { size } = (await client.listCheckpoints())[0] as { size?: number };
      truncateSync(archive, Math.floor((size as number) * part));
      await expect(parent.fork(checkpointId)).rejects.toMatchObject({ code: "fork_failed" });
      await client.deleteCheckpoint(checkpointId);
      expect((await client.list()).map(({ id }) => id)).toEqual([parent.id]);
      expect(listContainers(place.path)).toEqual([parent.id]);
    }
    expect(await say(parent, "say well")).toBe("well");
    await parent.delete();
  });

  it("knows no image that is not on the machine, and says how to get it", async () => {
    await expect(client.create({ profile, image: "localhost/there-is-none:1" })).rejects.toMatchObject({
      code: "box_image_unknown",
      message: expect.stringContaining("podman pull localhost/there-is-none:1") as string,
    });
    expect(await client.list()).toEqual([]);
  });

  it("B3: sees that a container was removed behind its back, and deletes what is left of the box", async () => {
    const box = await client.create({ profile });
    execFileSync("podman", ["rm", "--force", "--time=0", `skein-${box.id}`], { stdio: "ignore" });
    expect(await client.list()).toMatchObject([{ id: box.id, state: "dead" }]);
    expect(await client.attach(box.id)).toBeNull();
    await expect(say(box, "say hello")).rejects.toMatchObject({ code: "box_gone" });
    await expect(box.checkpoint()).rejects.toMatchObject({ code: "box_gone" });
    await box.delete();
    expect(await client.list()).toEqual([]);
  });
});

async function say(box: Box, prompt: string): Promise<string> {
  let text = "";
  for await (const event of box.streamPrompt(prompt, { sessionId: "c" }))
    if (event.type === "text.delta") text += event.text;
  return text;
}

function inspect(id: string, format: string): string {
  return execFileSync("podman", ["inspect", `--format=${format}`, `skein-${id}`], { encoding: "utf8" }).trim();
}
