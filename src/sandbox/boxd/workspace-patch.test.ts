import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runProcess } from "../../internal/spawn-process.ts";
import { applyWorkspacePatch } from "./apply-patch.ts";
import { openBaseline } from "./baseline.ts";
import { createWorkspacePatch } from "./workspace-patch.ts";

type Files = Record<string, string | Uint8Array>;

let root: string;
let count = 0;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "skein-patch-"));
});

afterEach(() => rm(root, { recursive: true, force: true }));

async function folder(files: Files = {}): Promise<string> {
  const path = join(root, `folder-${++count}`);
  await mkdir(path);
  await write(path, files);
  return path;
}

async function write(path: string, files: Files): Promise<void> {
  for (const [name, data] of Object.entries(files)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), data);
  }
}

async function read(path: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    const full = join(entry.parentPath, entry.name);
    if (entry.isFile()) files[full.slice(path.length + 1)] = await readFile(full, "utf8");
  }
  return files;
}

/** The patch that leads from one set of files to another. */
async function patchOf(before: Files, change: (workspace: string) => Promise<unknown>): Promise<string | undefined> {
  const workspace = await folder(before);
  const baseline = await openBaseline(await folder(), workspace);
  await change(workspace);
  return createWorkspacePatch(workspace, baseline);
}

describe("a workspace's patch", () => {
  it("is what Git makes of it, for changed, new, deleted, empty, moded and strangely named files", async () => {
    const before = {
      "a.js": "1\n2\n3\n",
      "gone.txt": "x",
      "run.sh": "#!/bin/sh\n",
      "müll „x“.txt": "ä\n",
      "sub/same.txt": "same\n",
    };
    const patch = await patchOf(before, async (workspace) => {
      await write(workspace, {
        "a.js": "1\ntwo\n3\n",
        "new/deep.txt": "no newline",
        "empty.txt": "",
        "müll „x“.txt": "ö\n",
        "node_modules/x/i.js": "no",
        ".git/HEAD": "no",
        ".skein/x": "no",
      });
      await rm(join(workspace, "gone.txt"));
      await chmod(join(workspace, "run.sh"), 0o755);
    });
    const byGit = await folder(before);
    const byUs = await folder(before);
    const git = await runProcess(["git", "apply", "--unsafe-paths", "-"], {
      cwd: byGit,
      env: { PATH: process.env["PATH"] ?? "", GIT_CEILING_DIRECTORIES: root },
      input: patch as string,
    });
    const applied = await applyWorkspacePatch(byUs, patch as string);
    expect(applied).toEqual({
      changed: ["a.js", "müll „x“.txt", "run.sh"],
      created: ["empty.txt", "new/deep.txt"],
      deleted: ["gone.txt"],
      skipped: [],
    });
    // Git may not be here; where it is, it agrees.
    if (!git.notFound) {
      expect(git.stderr).toBe("");
      expect(await read(byUs)).toEqual(await read(byGit));
    }
    expect(await read(byUs)).toEqual({
      "a.js": "1\ntwo\n3\n",
      "new/deep.txt": "no newline",
      "empty.txt": "",
      "run.sh": "#!/bin/sh\n",
      "müll „x“.txt": "ö\n",
      "sub/same.txt": "same\n",
    });
    expect((await stat(join(byUs, "run.sh"))).mode & 0o100).toBe(0o100);
  });

  it("leads from any text to any other", async () => {
    const line = fc.constantFrom(
      "a",
      "b",
      "",
      " ",
      "\t",
      "+",
      "-",
      "\\ No newline",
      "@@ -1 +1 @@",
      "--- a/x",
      "+++ b/x",
      "diff --git a/x b/x",
      "\r",
      "ü",
    );
    const text = fc
      .tuple(fc.array(line, { maxLength: 12 }), fc.boolean())
      .map(([lines, ends]) => lines.join("\n") + (ends ? "\n" : ""));
    await fc.assert(
      fc.asyncProperty(text, text, async (before, after) => {
        const patch = await patchOf({ "x.txt": before }, (workspace) => write(workspace, { "x.txt": after }));
        expect(patch === undefined).toBe(before === after);
        if (patch === undefined) return;
        const target = await folder({ "x.txt": before });
        await applyWorkspacePatch(target, patch);
        expect(await read(target)).toEqual({ "x.txt": after });
      }),
      { numRuns: 60 },
    );
  });

  it("names binary and large files without showing them", async () => {
    const patch = await patchOf({ "b.bin": new Uint8Array([0, 1]) }, (workspace) =>
      write(workspace, { "b.bin": new Uint8Array([0, 2]), "big.txt": "x".repeat(1024 * 1024 + 1), "a.txt": "shown\n" }),
    );
    expect(patch).toContain("Binary files a/b.bin and b/b.bin differ\n");
    expect(patch).toContain("Binary files /dev/null and b/big.txt differ\n");
    expect(await applyWorkspacePatch(await folder(), patch as string)).toEqual({
      changed: [],
      created: ["a.txt"],
      deleted: [],
      skipped: ["b.bin", "big.txt"],
    });
  });

  it("is cumulative: a copy of the home carries the origin along", async () => {
    const workspace = await folder({ "a.txt": "1\n" });
    const home = await folder();
    await openBaseline(home, workspace);
    await write(workspace, { "a.txt": "2\n" });
    expect(await createWorkspacePatch(workspace, await openBaseline(home, workspace))).toContain("-1\n+2\n");
  });

  it("sees a change that kept size and time", async () => {
    const patch = await patchOf({ "a.txt": "1\n" }, async (workspace) => {
      const { atime, mtime } = await stat(join(workspace, "a.txt"));
      await write(workspace, { "a.txt": "2\n" });
      const { utimes } = await import("node:fs/promises");
      await utimes(join(workspace, "a.txt"), atime, mtime);
    });
    expect(patch).toContain("+2");
  });
});

describe("applying a patch", () => {
  const patch =
    "diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1,1 +1,1 @@\n-1\n+2\ndiff --git a/z.txt b/z.txt\n--- a/z.txt\n+++ b/z.txt\n@@ -1,1 +1,1 @@\n-old\n+new\n";

  it("changes nothing where one file does not fit, and names the file and the hunk", async () => {
    const target = await folder({ "a.txt": "1\n", "z.txt": "other\n" });
    await expect(applyWorkspacePatch(target, patch)).rejects.toMatchObject({
      code: "patch_conflict",
      message: expect.stringContaining("z.txt: its hunk 1 of 1") as string,
    });
    expect(await read(target)).toEqual({ "a.txt": "1\n", "z.txt": "other\n" });
  });

  it("changes nothing in a dry run", async () => {
    const target = await folder({ "a.txt": "1\n", "z.txt": "old\n" });
    expect((await applyWorkspacePatch(target, patch, { dryRun: true })).changed).toEqual(["a.txt", "z.txt"]);
    expect(await read(target)).toEqual({ "a.txt": "1\n", "z.txt": "old\n" });
  });

  it("refuses a file that is missing, there already, or not text", async () => {
    await expect(applyWorkspacePatch(await folder({ "a.txt": "1\n" }), patch)).rejects.toMatchObject({
      code: "patch_conflict",
    });
    const create =
      "diff --git a/a.txt b/a.txt\nnew file mode 100644\n--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1,1 @@\n+x\n";
    await expect(applyWorkspacePatch(await folder({ "a.txt": "mine\n" }), create)).rejects.toMatchObject({
      code: "patch_conflict",
    });
    await expect(
      applyWorkspacePatch(await folder({ "a.txt": new Uint8Array([255]), "z.txt": "old\n" }), patch),
    ).rejects.toMatchObject({ code: "patch_conflict" });
    await expect(applyWorkspacePatch(join(root, "nowhere"), patch)).rejects.toMatchObject({ code: "path_not_found" });
    await expect(applyWorkspacePatch(await folder(), "hello\n")).rejects.toMatchObject({ code: "patch_conflict" });
  });

  it.each(["/etc/skein-x", "../x", "a/../../x", "link/x", "plain-link", ".git/hooks/x"])(
    "refuses to write %s",
    async (path) => {
      const target = await folder();
      const outside = await folder({ x: "outside\n" });
      await symlink(outside, join(target, "link"));
      await symlink(join(outside, "x"), join(target, "plain-link"));
      const create = `diff --git a/${path} b/${path}\nnew file mode 100644\n--- /dev/null\n+++ b/${path}\n@@ -0,0 +1,1 @@\n+x\n`;
      await expect(applyWorkspacePatch(target, create)).rejects.toMatchObject({ code: "patch_unsafe" });
      expect(await read(outside)).toEqual({ x: "outside\n" });
    },
  );

  it("refuses to make a link, or to rename", async () => {
    const link = await patchOf({}, (workspace) => symlink("/etc/passwd", join(workspace, "l")));
    await expect(applyWorkspacePatch(await folder(), link as string)).rejects.toMatchObject({ code: "patch_unsafe" });
    const rename = "diff --git a/a b/b\nsimilarity index 100%\nrename from a\nrename to b\n";
    await expect(applyWorkspacePatch(await folder({ a: "1" }), rename)).rejects.toMatchObject({ code: "patch_unsafe" });
  });

  it("undoes what it did when it fails on the way", async () => {
    const target = await folder({ "a.txt": "1\n", blocked: "a file where the patch wants a folder" });
    const create =
      "diff --git a/blocked/x b/blocked/x\nnew file mode 100644\n--- /dev/null\n+++ b/blocked/x\n@@ -0,0 +1,1 @@\n+x\n";
    const first = patch.slice(0, patch.indexOf("diff --git a/z.txt"));
    await expect(applyWorkspacePatch(target, first + create)).rejects.toThrow();
    expect(await read(target)).toEqual({ "a.txt": "1\n", blocked: "a file where the patch wants a folder" });
  });
});
