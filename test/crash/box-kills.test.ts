import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { openLocalSandbox } from "../../dist/sandbox/local/index.js";

const KILLS = Number(process.env["SKEIN_BOX_KILLS"] ?? 9);
const CHILD = fileURLToPath(new URL("box-child.mjs", import.meta.url));
const VICTIMS = ["client", "boxd", "agent"] as const;
type Victim = (typeof VICTIMS)[number];
/** From the opening of the child's sandbox: long enough for two rounds of boxes on an idle machine. */
const LONGEST_MS = 2500;

interface BoxProcess {
  readonly pid: number;
  readonly boxId: string;
  readonly command: string;
}

function readProcess(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    // It has ended since.
    return "";
  }
}

/** Every process of this machine that is of a box, by its command line or the environment that it was given. */
function findProcesses(isOfInterest: (boxId: string) => boolean): BoxProcess[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      const words = readProcess(pid, "cmdline").split("\0");
      const named = readProcess(pid, "environ")
        .split("\0")
        .find((line) => line.startsWith("SKEIN_BOX_ID="));
      const boxId = named?.slice("SKEIN_BOX_ID=".length) ?? words.find((word) => /^box_[0-9a-z]{8,}$/.test(word));
      return boxId !== undefined && isOfInterest(boxId) ? [{ pid: Number(pid), boxId, command: words.join(" ") }] : [];
    });
}

function kill(pid: number): boolean {
  try {
    process.kill(pid, "SIGKILL");
    return true;
  } catch {
    return false;
  }
}

it.runIf(process.platform === "linux")(
  `B3: leaves no process, mount, socket, folder or group of a box after ${KILLS} kills at random moments, and touches no live one`,
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "skein-box-kills-"));
    const boxes = join(directory, "boxes");
    const client = await openLocalSandbox({ directory });
    // One that is held, in the middle of a turn, and one that nobody holds and whose claim is not over.
    // In a long form its turn is silent for longer than an agent may be.
    const profile = { name: "scripted", agent: "scripted", metadata: { silenceMs: 24 * 3600_000 } };
    const held = await client.create({ profile, files: [{ path: "mine.txt", data: "mine" }] });
    const turn = held.streamPrompt("say before\ngate go\nsay after", { turnId: "held" })[Symbol.asyncIterator]();
    expect((await turn.next()).value).toMatchObject({ type: "text.delta", text: "before" });
    const owner = await openLocalSandbox({ directory });
    const left = await owner.create({ profile, claimMs: 24 * 3600_000 });
    await owner.close();
    const leftRecord = join(boxes, left.id, "box.json");
    const record = JSON.parse(readFileSync(leftRecord, "utf8")) as { owner: object };
    writeFileSync(leftRecord, JSON.stringify({ ...record, owner: { ...record.owner, startedAt: "1" } }));
    const live = new Set([held.id, left.id]);
    const liveProcesses = (): string[] =>
      findProcesses((id) => live.has(id))
        .map(({ pid }) => `${pid}`)
        .sort();
    const atFirst = liveProcesses();
    expect(atFirst.length).toBeGreaterThanOrEqual(2);

    const killed: Record<Victim, number> = { client: 0, boxd: 0, agent: 0 };
    const seen = new Set<string>();
    let swept = 0;
    let halfMade = 0;
    try {
      for (let round = 0; round < KILLS; round++) {
        const victim = VICTIMS[round % VICTIMS.length] as Victim;
        const child = spawn(process.execPath, [CHILD, directory], { stdio: ["ignore", "pipe", "inherit"] });
        const ended = once(child, "close");
        const lines = createInterface({ input: child.stdout });
        const mine = new Set<string>();
        lines.on("line", (line) => line.startsWith("box_") && mine.add(line));
        await once(lines, "line");
        await delay(Math.random() * LONGEST_MS);
        if (victim !== "client") {
          const word = victim === "boxd" ? "boxd-main.js" : "scripted-agent.js";
          // The folders say more than the child's lines: a box that is not finished has one too.
          const present = new Set(readdirSync(boxes).filter((id) => !live.has(id)));
          const [target] = findProcesses((id) => present.has(id)).filter(({ command }) => command.includes(word));
          if (target !== undefined && kill(target.pid)) killed[victim]++;
          await delay(Math.random() * 300);
        } else {
          killed.client++;
        }
        child.kill("SIGKILL");
        await ended;

        // All that the dead client left is as old as if its claims were over.
        const longAgo = new Date(Date.now() - 3_600_000);
        const remains = readdirSync(boxes).filter((id) => !live.has(id));
        for (const id of remains) {
          seen.add(id);
          const path = join(boxes, id, "box.json");
          const text = existsSync(path) ? readFileSync(path, "utf8") : "";
          if (!text.includes('"state":"running"')) halfMade++;
          if (text !== "") utimesSync(path, longAgo, longAgo);
          utimesSync(join(boxes, id), longAgo, longAgo);
        }
        for (const id of mine) seen.add(id);
        const checkpoints = join(directory, "checkpoints");
        for (const id of existsSync(checkpoints) ? readdirSync(checkpoints) : [])
          utimesSync(join(checkpoints, id), longAgo, longAgo);
        swept += (await client.sweep()).length;

        const at = `round ${round}, ${victim} killed`;
        expect(readdirSync(boxes).sort(), at).toEqual([...live].sort());
        // A checkpoint that is whole is there to be restored from until somebody deletes it; one that is not is swept.
        for (const { id } of await client.listCheckpoints()) await client.deleteCheckpoint(id);
        expect(existsSync(checkpoints) ? readdirSync(checkpoints) : [], at).toEqual([]);
        expect(
          findProcesses((id) => seen.has(id)).map(({ command }) => command),
          at,
        ).toEqual([]);
        expect(readFileSync("/proc/self/mounts", "utf8"), at).not.toContain(directory);
        const sockets = readFileSync("/proc/net/unix", "utf8");
        for (const id of seen) expect(sockets, at).not.toContain(id);
        for (const controller of ["", "memory", "pids", "cpu"])
          for (const id of seen) expect(existsSync(join("/sys/fs/cgroup", controller, "skein", id)), at).toBe(false);
        expect(liveProcesses(), at).toEqual(atFirst);
        expect(Buffer.from(await held.readFile("mine.txt")).toString(), at).toBe("mine");
      }
      await held.writeFile("go", "");
      const after: string[] = [];
      for (let item = await turn.next(); item.done !== true; item = await turn.next())
        if (item.value.type === "text.delta") after.push(item.value.text);
      expect(after.join("")).toBe("after");
      expect(await (await client.attach(left.id))?.health()).toMatchObject({ boxId: left.id });
    } finally {
      for (const id of live) await (await client.attach(id))?.delete();
      await client.close();
      rmSync(directory, { recursive: true, force: true });
    }
    process.stdout.write(
      `kills: client ${killed.client}, boxd ${killed.boxd}, agent ${killed.agent}; boxes ${seen.size}, swept ${swept}, of these not finished ${halfMade}\n`,
    );
  },
  Math.max(600_000, 20_000 * KILLS),
);
