import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFile, stat, symlink, mkdir, writeFile, readdir } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DISK_FILLERS, expectDiskFull } from "./disk-fillers.test.support.ts";
import type { ExecResult } from "skein";
import type { PodmanBox, PodmanSandboxClient } from "skein/sandbox/podman";
import { openPodmanSandbox } from "skein/sandbox/podman";
import type { Place } from "./podman-here.test.support.ts";
import { listContainers, openPlace, whyNoPodman } from "./podman-here.test.support.ts";

const reason = whyNoPodman();
const profile = { name: "scripted", agent: "scripted" };

/** What code inside a container may try, in one that was started and in one that was forked. Each attack that works here would be a hole in B1. */
describe.skipIf(reason !== undefined)(
  `B1: what runs in a container${reason === undefined ? "" : ` (${reason})`}`,
  () => {
    let place: Place;
    let client: PodmanSandboxClient;
    let boxes: readonly PodmanBox[];
    let other: PodmanBox;

    beforeAll(async () => {
      process.env["SKEIN_TEST_SECRET"] = "a-secret-of-the-host";
      process.env["HTTPS_PROXY"] = "http://a-secret-of-the-host:1";
      place = await openPlace("copy");
      client = await openPodmanSandbox({ directory: place.path });
      const box = await client.create({ profile });
      other = await client.create({ profile, files: [{ path: "secret.txt", data: "of the other box" }] });
      const { checkpointId } = await box.checkpoint({ mode: "memory" });
      boxes = [box, await box.fork(checkpointId)];
      await client.deleteCheckpoint(checkpointId);
    });
    afterAll(async () => {
      delete process.env["HTTPS_PROXY"];
      await Promise.all([...boxes, other].map((box) => box.delete()));
      expect(listContainers(place.path)).toEqual([]);
      await place.remove();
    });

    const each = async (script: string, judge: (result: ExecResult, box: PodmanBox) => void): Promise<void> => {
      for (const box of boxes) judge(await box.exec(["sh", "-c", script]), box);
    };

    it("sees neither the host's passwords nor its files nor other boxes", async () => {
      for (const path of ["/etc/shadow", homedir(), place.path, process.cwd(), "/var/lib", "/boot", "/mnt", "/etc/apt"])
        await each(`ls -d ${path}`, ({ exitCode }) => expect(exitCode, path).not.toBe(0));
      await each("ls /home; cat /etc/passwd", ({ stdout }) => {
        expect(stdout).toMatch(/^agent\n/);
        expect(stdout).not.toContain("daemon");
      });
      await each(
        "find / -name secret.txt -not -path '/proc/*' 2>/dev/null; grep -rs 'of the other box' /run /tmp /home /workspace /etc",
        ({ stdout }) => expect(stdout).toBe(""),
      );
      await each(
        `cat /proc/*/cmdline /proc/*/environ | tr '\\0' '\\n' | grep '[b]${other.id.slice(1)}'`,
        ({ stdout }) => expect(stdout).toBe(""),
      );
    });

    it("has nothing of the host's environment", async () => {
      await each("env; cat /proc/*/environ", ({ stdout }) => expect(stdout).not.toContain("a-secret-of-the-host"));
      await each("env | grep -vE '^(HOME|LANG|TZ|PATH|PWD|SHLVL|_|OLDPWD|SKEIN_BOX_ID|NODE_OPTIONS)='", ({ stdout }) =>
        expect(stdout).toBe(""),
      );
    });

    it("writes nowhere but in its workspace, its home and memory of its own", async () => {
      for (const path of [
        "/x",
        "/usr/x",
        "/etc/x",
        "/etc/skein/x",
        "/opt/skein/x",
        "/home/x",
        "/sys/x",
        "/proc/sys/kernel/hostname",
      ])
        await each(`echo x > ${path}`, ({ exitCode }) => expect(exitCode, path).not.toBe(0));
      await each(
        "echo x > /workspace/x && echo x > ~/x && echo x > /tmp/x && echo x > /run/x && rm /workspace/x",
        ({ exitCode }) => expect(exitCode).toBe(0),
      );
      await expect(stat("/run/x")).rejects.toMatchObject({ code: "ENOENT" });
    });

    it("reaches no port of the host and no name", async () => {
      const server = createServer((socket) => socket.on("error", () => {}).end("hello")).listen(0, "0.0.0.0");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      for (const [host, to] of [
        ["127.0.0.1", port],
        ["169.254.169.254", 80],
        ["10.88.0.1", port],
      ] as const)
        await each(
          `node -e 'require("net").connect({ host: "${host}", port: ${to} }).on("connect", () => process.exit(0)).on("error", () => process.exit(9)).setTimeout(2000, () => process.exit(8))'`,
          ({ exitCode }) => expect(exitCode, host).toBe(9),
        );
      await each(
        `node -e 'require("dns").lookup("example.com", (error) => process.exit(error ? 9 : 0))'`,
        ({ exitCode }) => expect(exitCode).toBe(9),
      );
      server.close();
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
      await each("ls /proc | grep -cE '^[0-9]+$'", ({ stdout }) => expect(Number(stdout)).toBeLessThan(12));
      await each(`kill -9 ${process.pid}`, ({ exitCode }) => expect(exitCode).not.toBe(0));
      const suicidal = await client.create({ profile });
      await expect(suicidal.exec(["sh", "-c", "kill -9 -1"])).rejects.toMatchObject({ code: "box_gone" });
      await suicidal.delete();
    });

    it("gains no rights: no capability, no new namespace, no mount, no device, no kernel setting", async () => {
      await each("grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status", ({ stdout }) =>
        expect(stdout.match(/0000000000000000/g)).toHaveLength(5),
      );
      await each("grep NoNewPrivs /proc/self/status", ({ stdout }) => expect(stdout).toContain("1"));
      for (const attempt of [
        "mount -t tmpfs none /tmp",
        "mount -o remount,rw /",
        "mknod /tmp/disk b 8 0",
        "chroot / true",
        "unshare -m true",
        "hostname changed",
        "dmesg",
        "cat /proc/kcore",
        "echo 1 > /proc/sysrq-trigger",
        "chown 1 /workspace",
        "echo $$ > /sys/fs/cgroup/pids/tasks",
        "ls /dev/sda /dev/vda /dev/loop0 /dev/kvm",
      ])
        await each(attempt, ({ exitCode }) => expect(exitCode, attempt).not.toBe(0));
    });

    it("does not get out by /proc or by open descriptors", async () => {
      await each("ls -d /proc/1/root/etc/shadow /proc/self/root/etc/shadow", ({ exitCode }) =>
        expect(exitCode).not.toBe(0),
      );
      await each("ls -l /proc/[0-9]*/fd 2>/dev/null | grep -oE -- '-> /.*' | sort -u", ({ stdout }) => {
        const outside = stdout
          .trim()
          .split("\n")
          .map((line) => line.slice(3))
          .filter((path) => path !== "" && !/^\/(dev|proc|run\/box|workspace|opt\/skein|home\/agent)\b/.test(path));
        expect(outside).toEqual([]);
      });
    });

    it("does not lead the host out by links that it plants, neither in its files nor in the way to its socket", async () => {
      const outside = join(dirname(place.path), "outside");
      await mkdir(outside, { recursive: true });
      await writeFile(join(outside, "file"), "untouched");
      const listener = createServer().listen(join(outside, "box.sock"));
      await once(listener, "listening");
      const knocked: unknown[] = [];
      listener.on("connection", (socket) => {
        knocked.push(socket);
        socket.destroy();
      });
      const attacker = await client.create({ profile });
      await attacker.exec(["sh", "-c", `ln -s ${outside} up; ln -s / all; ln -s ${outside}/file file`]);
      const { checkpointId } = await attacker.checkpoint({ mode: "files" });
      const fork = await attacker.fork(checkpointId);
      expect((await fork.exec(["sh", "-c", "readlink file; cat file"])).stdout).toBe(`${outside}/file\n`);
      await expect(fork.readFile("up/file")).rejects.toMatchObject({ code: "box_path" });
      await fork.delete();
      // The socket's folder, and the socket itself, become links to the host's.
      await attacker.exec(["sh", "-c", `mv /run/box/box.sock /run/real; ln -s ${outside}/box.sock /run/box/box.sock`]);
      await expect(attacker.exec(["true"])).rejects.toMatchObject({ code: "box_protocol" });
      await attacker.delete();
      const second = await client.create({ profile });
      await second.exec(["sh", "-c", `mv /run/box /run/real; ln -s ${outside} /run/box`]);
      await expect(second.exec(["true"])).rejects.toMatchObject({ code: "box_gone" });
      await second.delete();
      await client.deleteCheckpoint(checkpointId);
      listener.close();
      expect(knocked).toEqual([]);
      expect(await readFile(join(outside, "file"), "utf8")).toBe("untouched");
      expect(await readdir(outside)).toEqual(["file"]);
    });

    it("copies a link that it is given as a link, and writes through none", async () => {
      const source = join(dirname(place.path), "source");
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

    it("is bounded in processes", async () => {
      const limited = await client.create({ profile, limits: { memoryMb: 512, pids: 40 } });
      const bomb = await limited.exec(["sh", "-c", "for i in $(seq 100); do sleep 100 & done; wait"], {
        timeoutMs: 3000,
      });
      expect(bomb.stderr).toMatch(/fork/i);
      await limited.delete();
    });

    it("is ended when it has more on the disk than it may, in a fork of its memory too, and the others go on", async () => {
      const parent = await client.create({ profile, limits: { diskMb: 16 } });
      const { checkpointId } = await parent.checkpoint({ mode: "memory" });
      const forks = await Promise.all(DISK_FILLERS.map(() => parent.fork(checkpointId)));
      await Promise.all(forks.map((fork, index) => expectDiskFull(fork, DISK_FILLERS[index] as string)));
      expect((await parent.exec(["echo", "here"])).stdout).toBe("here\n");
      await Promise.all([parent, ...forks].map((box) => box.delete()));
      await client.deleteCheckpoint(checkpointId);
    });

    it("is gone with everything that it started, however it detached itself", async () => {
      const doomed = await client.create({ profile });
      await doomed.exec([
        "sh",
        "-c",
        "setsid sh -c 'touch one; exec sleep 98765' & until [ -e one ]; do sleep 0.01; done",
      ]);
      await doomed.exec(["sh", "-c", "until grep -q sleep /proc/[0-9]*/comm; do sleep 0.01; done"]);
      await doomed.delete();
      expect(execFileSync("ps", ["ax", "-o", "args"], { encoding: "utf8" })).not.toMatch(/^sleep 98765$/m);
    });
  },
);
