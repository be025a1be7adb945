import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:net";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packFolders, unpackFolders } from "./pack-folders.ts";

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-pack-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function newFolder(): Promise<string> {
  const path = join(folder, String(++count));
  await mkdir(path);
  return path;
}

/** One entry of an archive, as GNU tar writes it. */
function entry(
  name: string,
  {
    type = "0",
    link = "",
    data = "",
    mode = 0o644,
  }: { type?: string; link?: string; data?: string; mode?: number } = {},
): Buffer {
  const head = Buffer.alloc(512);
  head.write(name, 0, 100, "latin1");
  head.write(`${mode.toString(8).padStart(7, "0")}\0`, 100);
  head.write("0000000\0", 108);
  head.write("0000000\0", 116);
  head.write(`${data.length.toString(8).padStart(11, "0")}\0`, 124);
  head.write("00000000000\0", 136);
  head.write("        ", 148);
  head.write(type, 156);
  head.write(link, 157, 100, "latin1");
  head.write("ustar  \0", 257, "latin1");
  const sum = head.reduce((all, byte) => all + byte, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const content = Buffer.alloc(Math.ceil(data.length / 512) * 512);
  content.write(data);
  return Buffer.concat([head, content]);
}

const END = Buffer.alloc(1024);
const unpack = (archive: Buffer, to: string): Promise<void> =>
  unpackFolders(Readable.from([gzipSync(archive)]), to, ["workspace"]);

describe("folders that are packed and unpacked", () => {
  it("are the same, with modes, links, long names and empty folders, but without sockets and the bits of another's rights", async () => {
    const from = await newFolder();
    const workspace = join(from, "workspace");
    const long = "n".repeat(200);
    await mkdir(join(workspace, "deep", long, "empty"), { recursive: true });
    await writeFile(join(workspace, "deep", long, "ü.txt"), "ü".repeat(100_000));
    await writeFile(join(workspace, "run.sh"), "#!/bin/sh\n", { mode: 0o755 });
    await writeFile(join(workspace, "as-owner"), "");
    await chmod(join(workspace, "as-owner"), 0o4755);
    await symlink("/etc/passwd", join(workspace, "link"));
    await symlink(`../${long}`, join(workspace, "dangling"));
    await mkdir(join(workspace, "read-only"));
    await writeFile(join(workspace, "read-only", "file"), "inside");
    await chmod(join(workspace, "read-only"), 0o555);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(workspace, "socket"), resolve));
    const chunks: Uint8Array[] = [];
    for await (const chunk of packFolders(from, ["workspace"])) chunks.push(chunk);
    await new Promise((resolve) => server.close(resolve));
    const again: Uint8Array[] = [];
    for await (const chunk of packFolders(from, ["workspace"])) again.push(chunk);
    const to = await newFolder();
    await unpackFolders(Readable.from(chunks), to, ["workspace"]);
    const copy = join(to, "workspace");
    expect((await readdir(copy)).sort()).toEqual(["as-owner", "dangling", "deep", "link", "read-only", "run.sh"]);
    expect(await readFile(join(copy, "deep", long, "ü.txt"), "utf8")).toBe("ü".repeat(100_000));
    expect(await readdir(join(copy, "deep", long, "empty"))).toEqual([]);
    expect((await lstat(join(copy, "run.sh"))).mode & 0o7777).toBe(0o755);
    expect((await lstat(join(copy, "as-owner"))).mode & 0o7777).toBe(0o755);
    expect((await lstat(join(copy, "read-only"))).mode & 0o7777).toBe(0o555);
    expect(await readlink(join(copy, "link"))).toBe("/etc/passwd");
    expect(await readlink(join(copy, "dangling"))).toBe(`../${long}`);
    for (const path of [workspace, copy]) await chmod(join(path, "read-only"), 0o755);
    // What is put into a store under the hash of its bytes is there once.
    expect(Buffer.concat(again).equals(Buffer.concat(chunks))).toBe(true);
  });

  it("are refused with what tar says where there is nothing to pack", async () => {
    const packing = async (): Promise<void> => {
      for await (const _chunk of packFolders(await newFolder(), ["workspace"])) continue;
    };
    await expect(packing()).rejects.toThrow(/workspace/);
  });

  const long = (path: string): Buffer => entry("././@LongLink", { type: "L", data: `${path}\0` });
  const attacks: Record<string, Buffer[]> = {
    "a path upwards": [entry("workspace/../../out", { data: "out" })],
    "a path from the root": [entry("/tmp/out", { data: "out" })],
    "a folder beside": [entry("home/out", { data: "out" })],
    "a record beside": [entry("checkpoint.json", { data: "{}" })],
    "a long path upwards": [long(`workspace/${"x/".repeat(80)}../../../out`), entry("workspace/x", { data: "out" })],
    "a file through a link": [
      entry("workspace/link", { type: "2", link: "/tmp" }),
      entry("workspace/link/out", { data: "out" }),
    ],
    "a file in the place of a link": [
      entry("workspace/link", { type: "2", link: "../../out" }),
      entry("workspace/link", { data: "out" }),
    ],
    "the folder itself as a link": [
      entry("workspace", { type: "2", link: "/tmp" }),
      entry("workspace/out", { data: "out" }),
    ],
    "a hard link": [entry("workspace/hard", { type: "1", link: "/etc/passwd" })],
    "a device": [entry("workspace/null", { type: "3" })],
    "another's rights": [entry("workspace/root", { mode: 0o4755 })],
    "an extended head": [entry("workspace/x", { type: "x", data: "20 path=../../out\n" })],
    "a second archive behind the end": [END, entry("workspace/../out", { data: "out" })],
  };
  for (const [name, entries] of Object.entries(attacks)) {
    it(`B1: write nothing outside and are refused: ${name}`, async () => {
      const to = await newFolder();
      await mkdir(join(to, "inner"));
      await expect(unpack(Buffer.concat([...entries, END]), join(to, "inner"))).rejects.toMatchObject({
        code: "checkpoint_damaged",
      });
      expect(await readdir(to)).toEqual(["inner"]);
      expect(await readdir(join(to, "inner"))).not.toContain("home");
    });
  }

  it("are refused where the archive ends in the middle, or is none", async () => {
    const whole = Buffer.concat([entry("workspace/a", { data: "a".repeat(2000) }), END]);
    for (const part of [
      whole.subarray(0, 300),
      whole.subarray(0, 1500),
      Buffer.alloc(0),
      Buffer.from("garbage".repeat(200)),
    ])
      await expect(unpack(part, await newFolder())).rejects.toMatchObject({ code: "checkpoint_damaged" });
    await unpack(whole, await newFolder());
    await expect(
      unpackFolders(Readable.from([Buffer.from("no gzip")]), await newFolder(), ["workspace"]),
    ).rejects.toMatchObject({ code: "checkpoint_damaged" });
  });
});
