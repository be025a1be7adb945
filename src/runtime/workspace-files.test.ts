import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readPackageCheck } from "./package-check.ts";
import { listWorkspaceFiles, requireDirectory } from "./workspace-files.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "skein-workspace-"));
});
afterEach(() => rm(root, { recursive: true }));

const paths = async (leaveOut: string[] = []): Promise<string[]> =>
  (await listWorkspaceFiles(root, { leaveOut })).map(({ path }) => path).sort();

it("passes whole folders on, without repositories and data directories", async () => {
  for (const folder of [".git", ".skein", "src"]) await mkdir(join(root, folder));
  await writeFile(join(root, "package.json"), "{}");
  await symlink("/etc/passwd", join(root, "link"));
  expect(await paths()).toEqual(["link", "package.json", "src"]);
});

it("goes into a folder only where something below it stays out", async () => {
  await mkdir(join(root, "src", "data"), { recursive: true });
  await writeFile(join(root, "src", "main.js"), "");
  expect(await paths([join(root, "src", "data")])).toEqual(["src/main.js"]);
});

it("refuses a path that does not exist, or is a file", async () => {
  await writeFile(join(root, "file"), "");
  await expect(requireDirectory(join(root, "gone"))).rejects.toMatchObject({ code: "path_not_found" });
  await expect(requireDirectory(join(root, "file"))).rejects.toMatchObject({ code: "path_not_found" });
});

it.each([
  ["no package.json", undefined],
  ["one that is not JSON", "{"],
  ["no scripts", "{}"],
  ["the script of npm init", '{"scripts":{"test":"echo \\"Error: no test specified\\" && exit 1"}}'],
])("refuses a package with %s", async (_what, text) => {
  if (text !== undefined) await writeFile(join(root, "package.json"), text);
  await expect(readPackageCheck(root)).rejects.toMatchObject({ code: "no_tests" });
});

it("checks a package with its own test script", async () => {
  await writeFile(join(root, "package.json"), '{"scripts":{"test":"node --test"}}');
  expect(await readPackageCheck(root)).toEqual(["npm", "test"]);
});
