import { expect, it } from "vitest";
import { comparePatches, parsePatch } from "./parse-patch.ts";

const change = (path: string, line: string): string =>
  `diff --git a/${path} b/${path}\n--- a/${path}\n+++ b/${path}\n@@ -1,3 +1,3 @@ function x\n a\n-b\n+${line}\n c\n`;

it("a patch is read with its lines numbered on both sides", () => {
  const [file] = parsePatch(change("lib/a.js", "B"));
  expect(file).toMatchObject({ path: "lib/a.js", status: "modified", added: 1, removed: 1, isBinary: false });
  expect(file?.hunks).toEqual([
    {
      heading: "function x",
      lines: [
        { kind: "same", text: "a", oldLine: 1, newLine: 1 },
        { kind: "removed", text: "b", oldLine: 2 },
        { kind: "added", text: "B", newLine: 2 },
        { kind: "same", text: "c", oldLine: 3, newLine: 3 },
      ],
    },
  ]);
});

it("files that came, went or are binary are known", () => {
  const patch = [
    "diff --git a/new b/new",
    "new file mode 100644",
    "--- /dev/null",
    "+++ b/new",
    "@@ -0,0 +1 @@",
    "+x",
    "\\ No newline at end of file",
    "diff --git a/old b/old",
    "deleted file mode 100644",
    "--- a/old",
    "+++ /dev/null",
    "@@ -1 +0,0 @@",
    "--- a/looks-like-a-head",
    "diff --git a/p.png b/p.png",
    "Binary files a/p.png and b/p.png differ",
    "",
  ].join("\n");
  expect(
    parsePatch(patch).map(({ path, status, isBinary, added, removed }) => [path, status, isBinary, added, removed]),
  ).toEqual([
    ["new", "added", false, 1, 0],
    ["old", "deleted", false, 0, 1],
    ["p.png", "modified", true, 0, 0],
  ]);
});

it("what is no patch, or breaks off, is read as far as it goes", () => {
  expect(parsePatch("")).toEqual([]);
  expect(parsePatch("hello\nworld")).toEqual([]);
  expect(parsePatch("diff --git a/x b/x\n@@ -1,9 +1,9 @@\n a\n+b")[0]).toMatchObject({ path: "x", added: 1 });
});

it("the files of two branches are the same, of one side, or different", () => {
  const left = parsePatch(change("a", "1") + change("b", "1") + change("c", "1"));
  const right = parsePatch(change("a", "1") + change("b", "2") + change("d", "1"));
  expect(comparePatches(left, right).map(({ path, state }) => [path, state])).toEqual([
    ["b", "differs"],
    ["c", "left"],
    ["d", "right"],
    ["a", "same"],
  ]);
});
