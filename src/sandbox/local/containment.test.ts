import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { identifyProcess, isAlive } from "../../internal/process-identity.ts";
import { startProcess } from "../../internal/spawn-process.ts";
import type { BoxLimits, ExecResult } from "../sandbox.ts";
import { findCgroups } from "./box-cgroup.ts";
import { canContainHere } from "./contained-here.test.support.ts";
import type { LocalBox } from "./local-box.ts";
import type { LocalSandboxClient } from "./local-sandbox-client.ts";
import { openLocalSandbox } from "./open-local-sandbox.ts";

const profile = { name: "scripted", agent: "scripted" };

/** What code inside a box may try. Each attack that works here would be a hole in B1. */
describe.skipIf(!(await canContainHere()))("B1: what runs in a contained box", () => {
  let directory: string;
  let client: LocalSandboxClient;
  let box: LocalBox;
  let other: LocalBox;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "skein-walls-"));
    process.env["SKEIN_TEST_SECRET"] = "a-secret-of-the-host";
    client = await openLocalSandbox({ directory, containment: "require" });
    [box, other] = await Promise.all([
      client.create({ profile }),
      client.create({ profile, files: [{ path: "secret.txt", data: "of the other box" }] }),
    ]);
  });
  afterAll(async () => {
    await Promise.all([box.delete(), other.delete()]);
    await rm(directory, { recursive: true, force: true });
  });

  const shell = (script: string): Promise<ExecResult> => box.exec(["sh", "-c", script]);
  const script = (code: string): Promise<ExecResult> => box.exec(["node", "-e", code]);

  it("sees neither the host's passwords nor its homes nor its files", async () => {
    for (const path of ["/etc/shadow", "/root", homedir(), directory, process.cwd(), "/var", "/sys", "/boot", "/mnt"]) {
      expect((await shell(`ls -d ${path}`)).exitCode, path).not.toBe(0);
    }
    expect((await shell("ls /home")).stdout).toBe("agent\n");
    expect((await shell("cat /etc/passwd")).stdout).not.toContain("daemon");
  });

  it("does not learn where on the host it lies", async () => {
    const { stdout } = await shell("cat /proc/*/cmdline /proc/*/environ | tr '\\0' '\\n'");
    expect(stdout).toContain("/workspace");
    expect(stdout).not.toContain(directory);
  });

  it("has nothing of the host's environment", async () => {
    const { stdout } = await shell("env; cat /proc/*/environ");
    expect(stdout).not.toContain("a-secret-of-the-host");
    expect((await shell("env | cut -d= -f1 | sort")).stdout.trim().split("\n")).toEqual(
      expect.arrayContaining(["HOME", "LANG", "PATH", "SKEIN_BOX_ID"]),
    );
    expect((await shell("env | grep -vE '^(HOME|LANG|TZ|PATH|PWD|SHLVL|_|OLDPWD|SKEIN_BOX_ID)='")).stdout).toBe("");
  });

  it("writes nowhere but in its workspace, its home and /tmp", async () => {
    for (const path of ["/x", "/usr/x", "/etc/x", "/opt/skein/x", "/opt/x", "/run/x", "/home/x", "/dev/x"]) {
      const result = await shell(`echo x > ${path}`);
      expect(result.exitCode, path).not.toBe(0);
    }
    expect(
      (
        await shell(
          "echo x > /workspace/x && echo x > ~/x && echo x > /tmp/x && echo x > /dev/shm/x && echo x > /dev/null",
        )
      ).exitCode,
    ).toBe(0);
    await expect(stat("/dev/x")).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("sees no other box", async () => {
    const found = await shell(
      "find / -name secret.txt -not -path '/proc/*' 2>/dev/null; grep -rs 'of the other box' /run /tmp /home /workspace",
    );
    expect(found.stdout).toBe("");
    // The bracket keeps the search from finding itself.
    const named = await shell(`cat /proc/*/cmdline /proc/*/environ | tr '\\0' '\\n' | grep '[b]${other.id.slice(1)}'`);
    expect(named.stdout).toBe("");
  });

  it("reaches no address where machines tell their secrets, whatever the network", async () => {
    const connect = `require("net").connect(80, "169.254.169.254").on("connect", () => process.exit(0)).on("error", () => process.exit(9)).setTimeout(2000, () => process.exit(8))`;
    expect((await script(connect)).exitCode).toBe(9);
  });

  it("finds no name", async () => {
    const look = `require("dns").lookup("example.com", (error) => process.exit(error ? 9 : 0))`;
    expect((await script(look)).exitCode).toBe(9);
  });

  it("reaches the host's network only where its spec says so", async () => {
    const server = createServer((socket) => socket.on("error", () => {}).end("hello")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const open = await client.create({ profile, network: "host" });
    const result = await open.exec([
      "node",
      "-e",
      `require("net").connect(${port}, "127.0.0.1").on("connect", () => process.exit(0)).on("error", () => process.exit(9))`,
    ]);
    await open.delete();
    server.close();
    expect(result.exitCode).toBe(0);
  });

  it("neither sees nor signals a process of the host", async () => {
    const child = startProcess(["sleep", "1000"], {
      env: { PATH: process.env["PATH"] ?? "" },
      stdio: ["ignore", "ignore", "ignore"],
      detached: true,
    });
    const victim = identifyProcess(child.pid as number);
    const before = (await shell("ls /proc | grep -E '^[0-9]+$' | wc -l")).stdout;
    expect(Number(before)).toBeLessThan(12);
    await shell(`kill -9 ${child.pid} ${process.pid}`);
    // A box that kills all that it can see has killed itself, which is its own affair.
    const suicidal = await client.create({ profile });
    await expect(suicidal.exec(["sh", "-c", "kill -9 -1"])).rejects.toMatchObject({ code: "box_gone" });
    await suicidal.delete();
    expect(victim !== undefined && isAlive(victim)).toBe(true);
    child.kill("SIGKILL");
  });

  it("gains no rights: no capability, no setuid", async () => {
    expect(
      (await shell("grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status")).stdout.match(/0000000000000000/g),
    ).toHaveLength(5);
    expect((await shell("grep NoNewPrivs /proc/self/status")).stdout).toContain("1");
  });

  it.each([
    ["a namespace", "unshare -Ur true"],
    ["a mount", "mount -t tmpfs none /tmp"],
    ["a system that can be written to", "mount -o remount,rw /usr"],
    ["a device", "mknod /tmp/disk b 8 0"],
    ["another root", "chroot / true"],
  ])("makes itself not %s", async (_what, command) => {
    expect((await shell(command)).exitCode).not.toBe(0);
  });

  it("does not get out by /proc/self/root or by open descriptors", async () => {
    expect((await shell("ls -d /proc/1/root/etc/shadow /proc/self/root/etc/shadow")).exitCode).not.toBe(0);
    const { stdout } = await shell("ls -l /proc/[0-9]*/fd 2>/dev/null | grep -oE -- '-> /.*' | sort -u");
    const outside = stdout
      .trim()
      .split("\n")
      .map((line) => line.slice(3))
      .filter((path) => path !== "" && !/^\/(dev|proc|run\/box|workspace|opt\/skein|home\/agent)\b/.test(path));
    expect(outside).toEqual([]);
  });

  it("does not lead the host out by links that it plants", async () => {
    const outside = join(directory, "outside.txt");
    await writeFile(outside, "untouched");
    await shell(`ln -s ${outside} planted; ln -s / all; ln -s ${directory} up`);
    const { checkpointId } = await box.checkpoint();
    const fork = await box.fork(checkpointId);
    expect((await fork.exec(["sh", "-c", "readlink planted; cat planted"])).stdout).toBe(`${outside}\n`);
    await fork.delete();
    await client.deleteCheckpoint(checkpointId);
    await shell("rm planted all up");
    expect(await readFile(outside, "utf8")).toBe("untouched");
  });

  it("copies a link that it is given as a link, and writes through none", async () => {
    const source = join(directory, "source");
    await mkdir(source);
    await symlink("/etc", join(source, "etc"));
    const files = [{ path: ".", from: source }];
    const linked = await client.create({ profile, files });
    expect((await linked.exec(["readlink", "etc"])).stdout).toBe("/etc\n");
    await linked.delete();
    await expect(client.create({ profile, files: [...files, { path: "etc/x", data: "x" }] })).rejects.toMatchObject({
      code: "box_path",
    });
  });

  it("is gone with everything that it started, however it detached itself", async () => {
    const doomed = await client.create({ profile });
    await doomed.exec([
      "sh",
      "-c",
      "setsid sh -c 'touch one; sleep 1000' & (setsid setsid sh -c 'touch two; sleep 1000' &) ; while [ ! -e one ] || [ ! -e two ]; do :; done",
    ]);
    await doomed.exec(["sh", "-c", "until [ $(cat /proc/[0-9]*/comm | grep -c sleep) = 2 ]; do :; done"]);
    const inside = (await readFile(join(directory, "boxes", doomed.id, "namespace.json"), "utf8")).match(
      /"pid-namespace": (\d+)/,
    )?.[1];
    await doomed.delete();
    expect(await processesInNamespace(inside as string)).toEqual([]);
  });

  it("B2: stands still while it is copied, with all that it started", async () => {
    // Each line is written to both files; a copy that was taken in between would hold one that the other has not.
    const writing = await client.create({ profile });
    await writing.exec([
      "sh",
      "-c",
      // What is still in the command's own group goes with it.
      "(setsid sh -c 'i=0; while :; do i=$((i+1)); echo $i >> a; echo $i >> b; done' &); until [ -s b ]; do :; done",
    ]);
    const { checkpointId } = await writing.checkpoint();
    const fork = await writing.fork(checkpointId);
    const { stdout } = await fork.exec(["sh", "-c", "tail -qn 1 a b"]);
    const [a = 0, b = 0] = stdout.split("\n").map(Number);
    expect(a - b).toBeLessThanOrEqual(1);
    // The original goes on.
    const before = (await writing.exec(["tail", "-n", "1", "a"])).stdout;
    await writing.exec(["sh", "-c", `until [ "$(tail -n 1 a)" != "${before.trim()}" ]; do :; done`]);
    await Promise.all([writing.delete(), fork.delete(), client.deleteCheckpoint(checkpointId)]);
  });

  // Who may write no control group has no limits by them; continuous integration runs as root, and may.
  describe.skipIf(process.env["CI"] === undefined && findCgroups() === undefined)("in control groups", () => {
    const attack = async (limits: BoxLimits, command: string): Promise<ExecResult> => {
      const limited = await client.create({ profile, limits });
      try {
        const result = await limited.exec(["sh", "-c", command], { timeoutMs: 20_000 });
        // The box itself has survived what was done in it.
        expect((await limited.exec(["echo", "alive"])).stdout).toBe("alive\n");
        return result;
      } finally {
        await limited.delete();
      }
    };

    it("cannot fork without end", async () => {
      const { stdout } = await attack(
        { pids: 64 },
        'i=0; while [ $i -lt 300 ]; do sleep 15 & i=$((i+1)); done 2>/dev/null; ls /proc | grep -c "^[0-9]"; kill $(jobs -p)',
      );
      expect(Number(stdout.trim().split("\n").at(-1) || 0)).toBeLessThan(64);
    });

    it("cannot fill the memory with many processes that are each small enough", async () => {
      const hog =
        "const a = []; for (let i = 0; i < 40; i++) a.push(Buffer.alloc(8 * 2 ** 20, 1)); setTimeout(() => console.log('held'), 3000)";
      const { stdout } = await attack({ memoryMb: 512 }, `for i in 1 2 3 4; do node -e "${hog}" & done; wait`);
      // Four times 320 MB do not fit into 512.
      expect(stdout.split("held").length - 1).toBeLessThan(4);
    });

    it("leaves no group behind", async () => {
      const limited = await client.create({ profile, limits: { pids: 128, cpu: 0.5 } });
      const places = ["/sys/fs/cgroup/pids/skein", "/sys/fs/cgroup/skein"].map((path) => join(path, limited.id));
      expect(places.some((path) => existsSync(path))).toBe(true);
      await limited.delete();
      expect(places.some((path) => existsSync(path))).toBe(false);
    });
  });

  it("limits what its spec limits", async () => {
    const limited = await client.create({ profile, limits: { diskMb: 1, memoryMb: 2048 } });
    const result = await limited.exec(["sh", "-c", "head -c 3000000 /dev/zero > big; stat -c %s big"]);
    expect(result.stdout).toBe(`${1024 * 1024}\n`);
    expect((await limited.exec(["sh", "-c", "ulimit -c"])).stdout).toBe("0\n");
    await limited.delete();
  });
});

async function processesInNamespace(namespace: string): Promise<string[]> {
  const { readdir, readlink } = await import("node:fs/promises");
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const own = await readlink(`/proc/${pid}/ns/pid`).catch(() => "");
    if (own.includes(namespace)) found.push(pid);
  }
  return found;
}
