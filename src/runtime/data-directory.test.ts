import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createDataDirectory, DATABASE_FILE, inspectDataDirectory } from "./data-directory.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "skein-data-"));
});
afterEach(() => rm(root, { recursive: true }));

it("tells a missing, an empty and a data directory apart", async () => {
  const directory = join(root, ".skein");
  expect(await inspectDataDirectory(directory)).toBe("missing");
  await createDataDirectory(directory);
  expect(await inspectDataDirectory(directory)).toBe("empty");
  await writeFile(join(directory, DATABASE_FILE), "");
  expect(await inspectDataDirectory(directory)).toBe("ours");
});

it("keeps itself out of every repository", async () => {
  await createDataDirectory(join(root, "deep", ".skein"));
  expect(await readFile(join(root, "deep", ".skein", ".gitignore"), "utf8")).toBe("*\n");
});

it("refuses a directory that holds other things, and a file", async () => {
  await mkdir(join(root, "photos"));
  await expect(inspectDataDirectory(root)).rejects.toMatchObject({ code: "store_foreign" });
  await writeFile(join(root, "file"), "");
  await expect(inspectDataDirectory(join(root, "file"))).rejects.toMatchObject({ code: "store_foreign" });
});

it("says where a directory cannot be made", async () => {
  await writeFile(join(root, "file"), "");
  await expect(createDataDirectory(join(root, "file", ".skein"))).rejects.toMatchObject({ code: "store_failed" });
});
