import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runProcess } from "../../internal/spawn-process.ts";
import { isWholeArchive, rewriteArchive } from "./rewrite-archive.ts";

const PARENT = "0123456789abcdef";
const CHILD = "fedcba9876543210";
const env = { PATH: process.env["PATH"] ?? "" };
let folder: string;
let archive: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-archive-"));
  archive = join(folder, "memory.tar");
  const source = join(folder, "source");
  await mkdir(join(source, "checkpoint"), { recursive: true });
  await writeFile(join(source, "checkpoint", "pages-1.img"), `memory of box_${PARENT}`.repeat(10_000));
  await writeFile(join(source, "config.dump"), JSON.stringify({ name: `skein-box_${PARENT}`, host: `box-${PARENT}` }));
  await writeFile(join(source, "spec.dump"), JSON.stringify({ mounts: [`/data/boxes/box_${PARENT}/tree/workspace`] }));
  await runProcess(["tar", "--create", "--file", archive, "--directory", source, "."], { env });
});
afterEach(() => rm(folder, { recursive: true }));

async function unpack(): Promise<(path: string) => Promise<string>> {
  const to = join(folder, "unpacked");
  await mkdir(to);
  const { exitCode } = await runProcess(["tar", "--extract", "--file", archive, "--directory", to], { env });
  expect(exitCode).toBe(0);
  return (path) => readFile(join(to, path), "utf8");
}

describe("the archive of a container", () => {
  it("is made that of another box in its description alone", async () => {
    expect(await isWholeArchive(archive)).toBe(true);
    await rewriteArchive(archive, PARENT, CHILD);
    const read = await unpack();
    expect(JSON.parse(await read("config.dump"))).toEqual({ name: `skein-box_${CHILD}`, host: `box-${CHILD}` });
    expect(JSON.parse(await read("spec.dump"))).toEqual({ mounts: [`/data/boxes/box_${CHILD}/tree/workspace`] });
    expect(await read("checkpoint/pages-1.img")).toBe(`memory of box_${PARENT}`.repeat(10_000));
  });

  it("is refused where it was cut short, anywhere", async () => {
    const { length } = await readFile(archive);
    for (const part of [0.99, 0.9, 0.5, 0.1, 0]) {
      // Blocks of zeros at the end may be missing without loss; the files may not.
      await truncate(archive, Math.floor((length - 10_240) * part));
      expect(await isWholeArchive(archive), `${part}`).toBe(false);
    }
    await expect(rewriteArchive(archive, PARENT, CHILD)).rejects.toMatchObject({ code: "checkpoint_failed" });
  });

  it("is refused where it is none", async () => {
    await writeFile(archive, "this is not an archive".repeat(1000));
    expect(await isWholeArchive(archive)).toBe(false);
    await expect(rewriteArchive(archive, PARENT, CHILD)).rejects.toMatchObject({ code: "checkpoint_failed" });
  });

  it("keeps its places, so ids of two lengths are refused", async () => {
    await expect(rewriteArchive(archive, PARENT, "short")).rejects.toMatchObject({ code: "fork_failed" });
  });
});
