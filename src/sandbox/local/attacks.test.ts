import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo, Server } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startProcess } from "../../internal/spawn-process.ts";
import { canContainHere } from "./contained-here.test.support.ts";
import type { LocalBox } from "./local-box.ts";
import type { LocalSandboxClient } from "./local-sandbox-client.ts";
import { openLocalSandbox } from "./open-local-sandbox.ts";

const profile = { name: "scripted", agent: "scripted" };
const SECRET = "a secret of the host";

/** What an attack may know of the host; a stranger's code would guess it. */
interface Target {
  /** A file of the host. */
  readonly file: string;
  /** A folder of the host. */
  readonly folder: string;
  /** A socket of the host, by its path and by a name without one. */
  readonly socket: string;
  readonly abstract: string;
  /** Of its loopback address. */
  readonly port: number;
  /** A process of the host, with the secret in its environment. */
  readonly pid: number;
  readonly otherBox: string;
}

/** Each prints the secret, or WORKS, where it got through. */
const ATTACKS: readonly (readonly [name: string, command: (target: Target) => string[]])[] = [
  ["read a file of the host", ({ file }) => ["cat", file]],
  ["read a file of the host by /proc/self/root", ({ file }) => ["cat", `/proc/self/root${file}`]],
  [
    "read a file of the host by its folder's descriptor",
    ({ folder }) => shell(`exec 3< ${folder}; cat /proc/self/fd/3/file`),
  ],
  ["make a hard link to a file of the host", ({ file }) => shell(`ln ${file} stolen && cat stolen`)],
  ["follow a symbolic link to a file of the host", ({ file }) => shell(`ln -s ${file} planted; cat planted`)],
  ["read a file of the host by a path that leads out of the workspace", () => ["cat", "../../../file"]],
  ["find the passwords of the host", () => shell("[ -e /etc/shadow ] && echo WORKS")],
  ["write into a folder of the host", ({ folder }) => shell(`echo x > ${folder}/written && echo WORKS`)],
  ["read the environment of a process of the host", ({ pid }) => shell(`tr '\\0' '\\n' < /proc/${pid}/environ`)],
  ["see a process of the host", ({ pid }) => shell(`grep -q sleep /proc/${pid}/cmdline && echo WORKS`)],
  ["signal a process of the host", ({ pid }) => shell(`kill -0 ${pid} && echo WORKS`)],
  ["read the files of another box", ({ otherBox }) => shell(`cat ${otherBox}/workspace/secret.txt`)],
  ["write into the files of another box", ({ otherBox }) => shell(`echo x > ${otherBox}/workspace/x && echo WORKS`)],
  [
    "read the environment of another box",
    ({ otherBox }) =>
      shell(`cat /proc/[0-9]*/environ | grep -q SKEIN_BOX_ID=${otherBox.split("/").at(-1)} && echo WORKS`),
  ],
  [
    "read the configuration of another box",
    ({ otherBox }) => shell(`grep -q boxId ${otherBox}/run/boxd.json && echo WORKS`),
  ],
  ["speak to the boxd of another box", ({ otherBox }) => speak(`${otherBox}/run/box.sock`)],
  ["connect to a port of the host", ({ port }) => connectTo("127.0.0.1", port)],
  ["connect to a Unix socket of the host", ({ socket }) => speak(socket)],
  ["connect to a Unix socket of the host that has no path", ({ abstract }) => speakAbstract(abstract)],
];

function shell(script: string): string[] {
  return ["sh", "-c", script];
}

function speak(path: string): string[] {
  const code = `require("http").get({ socketPath: ${JSON.stringify(path)}, path: "/health?silent=1" }, (answer) => { console.log("WORKS"); process.exit(0); }).on("error", (error) => { console.log(error.code); process.exit(9); })`;
  return ["node", "-e", code];
}

function connectTo(host: string, port: number): string[] {
  const code = `require("net").connect(${port}, "${host}").on("connect", () => { console.log("WORKS"); process.exit(0); }).on("error", () => process.exit(9))`;
  return ["node", "-e", code];
}

/** By perl, which every Debian has: not every Node can name such a socket. */
function speakAbstract(name: string): string[] {
  return [
    "perl",
    "-MSocket",
    "-e",
    `socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die; connect($s, pack("S a*", AF_UNIX, "\\0${name}")) or die "no: $!"; print "WORKS\\n"`,
  ];
}

async function listenOn(server: Server, command: () => void): Promise<void> {
  command();
  await once(server, "listening");
}

const canContain = await canContainHere();
const hasPasswords = existsSync("/etc/shadow");
const hasPerl = existsSync("/usr/bin/perl");

describe.each([
  { kind: "contained", title: "B1: code in a contained box does not" },
  { kind: "plain", title: "code in a plain box, which says that it is not contained, does" },
] as const)("$title", ({ kind }) => {
  // A machine without bubblewrap has no contained boxes.
  // Left out where this machine can contain nothing; in CI it must.
  describe.skipIf(kind === "contained" && !canContain)("get through", () => {
    let directory: string;
    let client: LocalSandboxClient;
    let box: LocalBox;
    let target: Target;
    const ends: (() => void)[] = [];

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), "skein-attack-"));
      client = await openLocalSandbox({ directory, containment: kind === "contained" ? "require" : "none" });
      const [first, other] = await Promise.all([
        client.create({ profile }),
        client.create({ profile, files: [{ path: "secret.txt", data: SECRET }] }),
      ]);
      box = first;
      const child = startProcess(["sleep", "1000"], {
        env: { PATH: process.env["PATH"] ?? "", SKEIN_TEST_SECRET: SECRET },
        stdio: ["ignore", "ignore", "ignore"],
        detached: true,
      });
      ends.push(() => child.kill("SIGKILL"));
      const onPort = createServer((socket) => socket.on("error", () => {}).end());
      await listenOn(onPort, () => onPort.listen(0, "127.0.0.1"));
      ends.push(() => onPort.close());
      target = {
        port: (onPort.address() as AddressInfo).port,
        file: join(directory, "file"),
        folder: directory,
        socket: join(directory, "s"),
        abstract: `skein-test-${process.pid}`,
        pid: child.pid as number,
        otherBox: join(directory, "boxes", other.id),
      };
      await writeFile(target.file, SECRET);
      const byPath = createServer((socket) =>
        socket.on("error", () => {}).end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
      );
      await listenOn(byPath, () => byPath.listen(target.socket));
      ends.push(() => byPath.close());
      // A socket without a path, held by perl for the reason above.
      const nameless = startProcess(
        [
          "perl",
          "-MSocket",
          "-e",
          `$| = 1; socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die; bind($s, pack("S a*", AF_UNIX, "\\0${target.abstract}")) or die; listen($s, 5); print "ready\\n"; sleep 1000`,
        ],
        { env: { PATH: process.env["PATH"] ?? "" }, stdio: ["ignore", "pipe", "ignore"], detached: true },
      );
      if (hasPerl) await once(nameless.stdout as NodeJS.ReadableStream, "data");
      else nameless.on("error", () => {});
      ends.push(() => nameless.kill("SIGKILL"));
    });
    afterAll(async () => {
      for (const end of ends) end();
      for (const { id } of await client.list()) await (await client.attach(id))?.delete();
      await client.close();
      await rm(directory, { recursive: true, force: true });
    });

    it("pass for what it is not, in its capabilities", () => {
      expect(client.capabilities.contained).toBe(kind === "contained");
      expect(box.contained).toBe(kind === "contained");
    });

    it.each(
      ATTACKS.filter(
        ([name]) => (hasPerl || !name.endsWith("no path")) && (hasPasswords || !name.includes("passwords")),
      ),
    )("%s", async (_name, command) => {
      const { stdout } = await box.exec(command(target));
      const got = stdout.includes(SECRET) || stdout.includes("WORKS");
      // What does not get through a plain process would prove nothing about walls.
      expect(got).toBe(kind === "plain");
    });
  });
});
