import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ExecResult } from "../sandbox.ts";
import { BPF_CODE } from "./bpf-program.ts";
import type { BpfInstruction } from "./bpf-program.ts";
import { canContainHere } from "./contained-here.test.support.ts";
import type { LocalBox } from "./local-box.ts";
import type { LocalSandboxClient } from "./local-sandbox-client.ts";
import { openLocalSandbox } from "./open-local-sandbox.ts";
import type { SeccompArchitecture } from "./seccomp-filter.ts";
import { createSeccompFilter, createSeccompProgram, ERRNO, listRefusedCalls } from "./seccomp-filter.ts";

const ALLOWED = 0x7fff0000;
const AUDIT = { x64: 0xc000003e, arm64: 0xc00000b7 };
/** read, write, execve, clone, futex, socket and others without which nothing runs. */
const NEEDED = { x64: [0, 1, 9, 56, 57, 59, 202, 231, 257, 318], arm64: [63, 64, 222, 220, 221, 98, 94, 56, 278] };

/** What the kernel does with a program: the answer for one call. */
function judge(program: readonly BpfInstruction[], call: { number: number; audit: number; args?: number[] }): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, call.number, true);
  data.setUint32(4, call.audit, true);
  for (const [index, value] of (call.args ?? []).entries()) data.setBigUint64(16 + 8 * index, BigInt(value), true);
  let accumulator = 0;
  for (let at = 0; at < program.length; at++) {
    const { code, ifTrue, ifFalse, value } = program[at] as BpfInstruction;
    if (code === BPF_CODE.answer) return value;
    if (code === BPF_CODE.load) accumulator = data.getUint32(value, true);
    else {
      const holds =
        code === BPF_CODE.equal
          ? accumulator === value
          : code === BPF_CODE.atLeast
            ? accumulator >= value
            : (accumulator & value) !== 0;
      at += holds ? ifTrue : ifFalse;
    }
  }
  throw new Error("The program fell out of its end.");
}

describe.each(["x64", "arm64"] as const)("the filter of system calls for %s", (architecture: SeccompArchitecture) => {
  const program = createSeccompProgram(architecture);
  const audit = AUDIT[architecture];

  it("refuses exactly the calls of its list, whatever their arguments", () => {
    const refused = new Map(listRefusedCalls(architecture).map(({ number, errno }) => [number, errno]));
    expect(refused.size).toBe(listRefusedCalls(architecture).length);
    for (let number = 0; number < 1024; number++) {
      const errno = refused.get(number);
      // Every bit of the arguments that are not judged is of no matter; 1 is a family, and no flag of a namespace.
      expect(judge(program, { number, audit, args: [1, 1, 1] }), `call ${number}`).toBe(
        errno === undefined ? ALLOWED : 0x50000 | errno,
      );
    }
    for (const number of NEEDED[architecture]) expect(refused.has(number)).toBe(false);
  });

  it("refuses whatever is called by the numbers of another architecture", () => {
    for (const other of [0x40000003, 0xc000003e, 0xc00000b7, 0x40000028, 0].filter((one) => one !== audit))
      expect(judge(program, { number: 1, audit: other })).toBe(0x50000 | ERRNO.ENOSYS);
    if (architecture === "x64")
      for (const number of [0x40000000, 0x40000001, 0x400000ff, 0xffffffff])
        expect(judge(program, { number, audit })).toBe(0x50000 | ERRNO.ENOSYS);
  });

  it("judges clone, unshare, ioctl and socket by their arguments", () => {
    const [clone, unshare, ioctl, socket] = architecture === "x64" ? [56, 272, 16, 41] : [220, 97, 29, 198];
    const of = (number: number, ...args: number[]): number => judge(program, { number, audit, args });
    for (const number of [clone, unshare]) {
      expect(of(number, 0x10000000)).toBe(0x50000 | ERRNO.EPERM);
      expect(of(number, 0x10020000 | 17)).toBe(0x50000 | ERRNO.EPERM);
      expect(of(number, 0x3d0f00)).toBe(ALLOWED);
    }
    expect(of(ioctl, 0, 0x5412)).toBe(0x50000 | ERRNO.EPERM);
    // The kernel looks at 32 bits of the request: what stands above them does not hide it.
    expect(of(ioctl, 0, 0x100005412)).toBe(0x50000 | ERRNO.EPERM);
    expect(of(ioctl, 0, 0x5413)).toBe(ALLOWED);
    for (const family of [1, 2, 10, 16]) expect(of(socket, family)).toBe(ALLOWED);
    for (const family of [0, 17, 31, 38, 40, 44]) expect(of(socket, family)).toBe(0x50000 | ERRNO.EAFNOSUPPORT);
  });
});

it("has no filter for an architecture whose numbers it does not know", () => {
  expect(createSeccompFilter("riscv64")).toBeUndefined();
  expect(createSeccompFilter("x64")?.length).toBe(8 * createSeccompProgram("x64").length);
});

/** The calls of the running machine, tried by perl, which is on every Debian; another machine leaves them to the tests above. */
/** Left out without perl, which makes the calls by their numbers, or on a machine that contains nothing or has no filter for its processor. */
const canCall = existsSync("/usr/bin/perl") && createSeccompFilter() !== undefined && (await canContainHere());

describe.skipIf(!canCall)("B1: system calls in a contained box", () => {
  const architecture = process.arch as SeccompArchitecture;
  let directory: string;
  let client: LocalSandboxClient;
  let box: LocalBox;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "skein-calls-"));
    client = await openLocalSandbox({ directory, containment: "require" });
    box = await client.create({ profile: { name: "scripted", agent: "scripted" } });
  });
  afterAll(async () => {
    await box?.delete();
    await rm(directory, { recursive: true, force: true });
  });

  const perl = (code: string): Promise<ExecResult> => box.exec(["/usr/bin/perl", "-e", code]);
  /** The error of each call, 0 where it succeeded. */
  const call = async (calls: readonly (readonly number[])[]): Promise<number[]> => {
    const each = calls.map(
      (args) => `$! = 0; $r = syscall(${args.join(", ")}); print(($r == -1 ? $! + 0 : 0), "\\n");`,
    );
    const { stdout } = await perl(`$| = 1; ${each.join(" ")}`);
    return stdout.trim().split("\n").map(Number);
  };

  it("are filtered, as the client says", async () => {
    expect(client.capabilities).toMatchObject({ contained: true, systemCalls: "filtered" });
    expect((await box.exec(["grep", "Seccomp:", "/proc/self/status"])).stdout).toMatch(/2\n/);
  });

  it.each(listRefusedCalls(architecture))("have no $name", async ({ number, errno }) => {
    expect(await call([[number, 0, 0, 0, 0, 0, 0]])).toEqual([errno]);
  });

  it("open no user namespace, no packet socket and no way to the machine below", async () => {
    const { unshare, socket } = architecture === "x64" ? { unshare: 272, socket: 41 } : { unshare: 97, socket: 198 };
    expect(
      await call([
        [unshare, 0x10000000],
        [socket, 17, 3, 0],
        [socket, 40, 1, 0],
        [socket, 38, 5, 0],
        [socket, 1, 1, 0],
        [socket, 2, 1, 0],
      ]),
    ).toEqual([ERRNO.EPERM, ERRNO.EAFNOSUPPORT, ERRNO.EAFNOSUPPORT, ERRNO.EAFNOSUPPORT, 0, 0]);
  });

  // Left out elsewhere: no other processor has these numbers.
  it.runIf(architecture === "x64")("cannot be made by the numbers of x32 or of 32-bit programs", async () => {
    // getpid by the number of x32.
    expect(await call([[0x40000000 + 39]])).toEqual([ERRNO.ENOSYS]);
    // A program of 32 bits: exit(7), and where that is refused an illegal instruction.
    await box.writeFile("tiny", tinyProgram32());
    const result = await box.exec(["sh", "-c", "chmod +x tiny; ./tiny"]);
    expect(result.exitCode).not.toBe(7);
  });

  it("leave node, npm, git, pipes and threads as they are", async () => {
    const { exitCode, stdout } = await box.exec([
      "sh",
      "-c",
      `set -e
       npm --version > /dev/null
       node -e 'new (require("worker_threads").Worker)("process.exit(0)", { eval: true }).on("exit", () => require("child_process").execSync("true"))'
       node -e 'const s = require("net").createServer((c) => c.end("x")).listen(0, () => require("net").connect(s.address().port).on("data", () => process.exit(0)))'
       node -e 'if (Object.keys(require("os").networkInterfaces()).length === 0) process.exit(3)'
       if command -v git > /dev/null; then git init -q r && cd r && git -c user.name=a -c user.email=a commit -q --allow-empty -m x && git log --oneline | wc -l; else echo 1; fi`,
    ]);
    expect({ exitCode, stdout: stdout.trim() }).toEqual({ exitCode: 0, stdout: "1" });
  });
});

/** An ELF file of 32 bits whose one segment says `mov eax, 1; mov ebx, 7; int 0x80; ud2`. */
function tinyProgram32(): Uint8Array {
  const code = [0xb8, 1, 0, 0, 0, 0xbb, 7, 0, 0, 0, 0xcd, 0x80, 0x0f, 0x0b];
  const file = new DataView(new ArrayBuffer(84 + code.length));
  const base = 0x08048000;
  const bytes = new Uint8Array(file.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  for (const [offset, value] of [
    [16, 2], // executable
    [18, 3], // for the 80386
    [40, 52], // size of this header
    [42, 32], // size of a segment's header
    [44, 1], // of which there is one
  ] as const)
    file.setUint16(offset, value, true);
  for (const [offset, value] of [
    [20, 1],
    [24, base + 84],
    [28, 52],
    [52, 1],
    [60, base],
    [64, base],
    [68, bytes.length],
    [72, bytes.length],
    [76, 5],
    [80, 0x1000],
  ] as const)
    file.setUint32(offset, value, true);
  bytes.set(code, 84);
  return bytes;
}
