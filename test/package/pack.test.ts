import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

/** What a command left behind. */
interface Result {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

let folder: string;

function run(command: string, args: readonly string[], cwd = folder): Promise<Result> {
  return new Promise((settle) => {
    const env = { ...process.env, NO_COLOR: "1", npm_config_update_notifier: "false" };
    const child = execFile(
      command,
      args,
      { cwd, env, timeout: 240_000, maxBuffer: 32 * 1024 * 1024 },
      (_, stdout, stderr) => {
        settle({ exitCode: child.exitCode ?? -1, stdout, stderr });
      },
    );
    child.stdin?.end();
  });
}

const skein = (...args: string[]): Promise<Result> => run("npx", ["--no-install", "skein", ...args]);

/** A package that is not ours, with one wrong comparison. */
const PACKAGE: Readonly<Record<string, string>> = {
  "package.json": JSON.stringify(
    { name: "ranges", version: "1.0.0", type: "module", scripts: { test: "node --test" } },
    null,
    2,
  ),
  "src/contains.js": "export function contains(range, value) {\n  return value >= range.from && value < range.to;\n}\n",
  "src/clamp.js": [
    'import { contains } from "./contains.js";',
    "",
    "export function clamp(range, value) {",
    "  if (contains(range, value)) return value;",
    "  return value < range.from ? range.from : range.to;",
    "}",
    "",
  ].join("\n"),
  "test/ranges.test.js": [
    'import assert from "node:assert/strict";',
    'import { test } from "node:test";',
    'import { clamp } from "../src/clamp.js";',
    'import { contains } from "../src/contains.js";',
    "",
    'test("a range contains its ends", () => {',
    "  assert.equal(contains({ from: 1, to: 5 }, 1), true);",
    "  assert.equal(contains({ from: 1, to: 5 }, 5), true);",
    "});",
    'test("a range contains nothing else", () => {',
    "  assert.equal(contains({ from: 1, to: 5 }, 0), false);",
    "  assert.equal(contains({ from: 1, to: 5 }, 6), false);",
    "});",
    'test("a value is clamped to the range", () => {',
    "  assert.equal(clamp({ from: 1, to: 5 }, 9), 5);",
    "  assert.equal(clamp({ from: 1, to: 5 }, -9), 1);",
    "  assert.equal(clamp({ from: 1, to: 5 }, 3), 3);",
    "});",
    "",
  ].join("\n"),
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "skein-package-"));
  const packed = await run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], resolve("."));
  expect(packed.exitCode, packed.stderr).toBe(0);
  const tarball = readdirSync(folder).find((file) => file.endsWith(".tgz")) as string;
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "empty", version: "1.0.0", private: true, type: "module" }),
  );
  const install = await run("npm", [
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    `./${tarball}`,
  ]);
  expect(install.exitCode, install.stderr).toBe(0);
  for (const [path, text] of Object.entries(PACKAGE)) {
    mkdirSync(dirname(join(folder, "pkg", path)), { recursive: true });
    writeFileSync(join(folder, "pkg", path), text);
  }
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("the installed package holds what was built, the license and the README, and no tests", () => {
  const files = readdirSync(join(folder, "node_modules/skein"), { recursive: true, encoding: "utf8" });
  expect(files).toEqual(
    expect.arrayContaining(["LICENSE", "README.md", "dist/index.js", "dist/index.d.ts", "dist/inspector/index.html"]),
  );
  expect(files.filter((file) => !file.startsWith("node_modules") && /[.]test[.]|tsbuildinfo/.test(file))).toEqual([]);
});

it("every subpath of the installed package imports", async () => {
  const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as { exports: Record<string, string> };
  const subpaths = Object.keys(exports).filter((name) => !name.endsWith(".json"));
  // The test kits need the test runner, and traces the API of OpenTelemetry; both are the user's own.
  mkdirSync(join(folder, "node_modules", "@opentelemetry"));
  for (const peer of ["vitest", "fast-check", "@opentelemetry/api"])
    symlinkSync(resolve("node_modules", peer), join(folder, "node_modules", peer));
  for (const subpath of subpaths) {
    const code = `const all = await import("skein${subpath.slice(1)}"); if (Object.keys(all).length === 0) throw new Error("exports nothing");`;
    const { exitCode, stderr } = await run(process.execPath, ["--input-type=module", "-e", code]);
    expect({ subpath, exitCode, stderr }).toEqual({ subpath, exitCode: 0, stderr: "" });
  }
});

it("`skein --help` and `skein --version` answer", async () => {
  const help = await skein("--help");
  expect(help.exitCode).toBe(0);
  for (const command of ["run", "loop", "ls", "show", "replay", "tail", "apply", "doctor"])
    expect(help.stdout).toMatch(new RegExp(`\\b${command}\\b`));
  const version = await skein("--version");
  expect(version).toMatchObject({
    exitCode: 0,
    stdout: `${(JSON.parse(readFileSync("package.json", "utf8")) as { version: string }).version}\n`,
  });
});

it("wrong usage exits with 2 and says what to do", async () => {
  const { exitCode, stderr } = await skein("loop", "./pkg", "--k", "0");
  expect({ exitCode, said: stderr !== "" }, stderr).toEqual({ exitCode: 2, said: true });
  expect((await skein("no-such-command")).exitCode).toBe(2);
});

it("`skein doctor` says what the machine can do", async () => {
  const { exitCode, stdout, stderr } = await skein("doctor");
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toMatch(/contain/i);
});

it("`skein loop` repairs a package that is not ours, and `skein apply` puts the change into it", async () => {
  expect((await run("npm", ["test"], join(folder, "pkg"))).exitCode).not.toBe(0);
  const before = readFileSync(join(folder, "pkg/src/contains.js"), "utf8");
  const loop = await skein("loop", "./pkg");
  expect(loop.exitCode, loop.stdout + loop.stderr).toBe(0);
  expect(readFileSync(join(folder, "pkg/src/contains.js"), "utf8")).toBe(before);
  const session = /skein apply (\S+)/.exec(loop.stdout + loop.stderr)?.[1];
  expect(session, loop.stdout).toBeDefined();
  const apply = await skein("apply", session as string);
  expect(apply.exitCode, apply.stdout + apply.stderr).toBe(0);
  expect((await run("npm", ["test"], join(folder, "pkg"))).exitCode).toBe(0);
  // The change is there already, so it does not fit a second time.
  expect((await skein("apply", session as string)).exitCode).not.toBe(0);
});
