import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { DEFAULT_PROMPT, resolveTask, type TaskOptions } from "./resolve-task.ts";

let cwd: string;
beforeEach(async () => {
  cwd = await realpath(await mkdtemp(join(tmpdir(), "skein-task-")));
  await mkdir(join(cwd, "pkg"));
});
afterEach(() => rm(cwd, { recursive: true }));

const resolveHere = (task: string, options: TaskOptions = {}): ReturnType<typeof resolveTask> =>
  resolveTask(task, options, { cwd, home: cwd });

it.each(["pkg", "./pkg", "~/pkg"])("takes %s for the folder that it is", async (task) => {
  expect(await resolveHere(task)).toEqual({ prompt: DEFAULT_PROMPT, workspace: join(cwd, "pkg"), title: "pkg" });
});

it("takes anything else for a prompt, with an empty workspace outside of projects", async () => {
  expect(await resolveHere("write a poem")).toEqual({ prompt: "write a poem", title: "write a poem" });
  await writeFile(join(cwd, "package.json"), "{}");
  expect(await resolveHere("write a poem")).toMatchObject({ workspace: cwd });
  expect(await resolveHere("write a poem", { workspace: false })).not.toHaveProperty("workspace");
  expect(await resolveHere("write a poem", { workspace: "pkg" })).toMatchObject({ workspace: join(cwd, "pkg") });
});

it("gives a folder another prompt", async () => {
  expect(await resolveHere("pkg", { prompt: "tidy up" })).toMatchObject({
    prompt: "tidy up",
    workspace: join(cwd, "pkg"),
    title: "pkg: tidy up",
  });
});

it.each<[string, string, TaskOptions, string]>([
  ["a path with a typing error", "./pgk", {}, "path_not_found"],
  ["an absolute path that is not there", "/no/such/folder", {}, "path_not_found"],
  ["a workspace that is not there", "mend it", { workspace: "gone" }, "path_not_found"],
  ["an empty task", "  ", {}, "invalid_option"],
  ["two folders", "./pkg", { workspace: "pkg" }, "invalid_option"],
  ["two prompts", "mend it", { prompt: "and this" }, "invalid_option"],
])("refuses %s", async (_what, task, options, code) => {
  await expect(resolveHere(task, options)).rejects.toMatchObject({ code });
});
