import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runProcess } from "../../internal/spawn-process.ts";
import { findBoxRuntime, readBoxRuntime, RUNTIME_ROOT } from "./boxd-runtime.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "skein-runtime-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A package that says its own name and version and those of its dependencies. */
function place(folder: string, name: string, version: string, dependencies: readonly string[] = []): void {
  const path = join(root, folder);
  mkdirSync(join(path, "dist"), { recursive: true });
  writeFileSync(
    join(path, "package.json"),
    JSON.stringify({
      name,
      version,
      type: "module",
      exports: "./dist/index.js",
      dependencies: Object.fromEntries(dependencies.map((other) => [other, "*"])),
    }),
  );
  const imports = dependencies.map((other, index) => `import d${index} from ${JSON.stringify(other)};`).join("\n");
  writeFileSync(
    join(path, "dist/index.js"),
    `${imports}\nexport default ["${name}@${version}", ${dependencies.map((_other, index) => `d${index}`).join(", ")}];\n`,
  );
}

function link(from: string, to: string): void {
  mkdirSync(dirname(join(root, from)), { recursive: true });
  symlinkSync(join(root, to), join(root, from));
}

/** Builds what a box would see and asks the package in it what it loads. */
async function load(packageFolder: string): Promise<unknown> {
  const runtime = readBoxRuntime(join(root, packageFolder), ["a", "b"]);
  const inside = mkdtempSync(join(tmpdir(), "skein-inside-"));
  try {
    for (const { from, to } of runtime.folders) cpSync(from, join(inside, to), { recursive: true });
    for (const { path, target } of runtime.links) {
      mkdirSync(dirname(join(inside, path)), { recursive: true });
      symlinkSync(join(inside, target), join(inside, path));
    }
    const entry = runtime.folders[0]?.to as string;
    const source = `console.log(JSON.stringify((await import(${JSON.stringify(join(inside, entry, "index.js"))})).default))`;
    const result = await runProcess([process.execPath, "--input-type=module", "-e", source], { env: {} });
    expect(result.stderr).toBe("");
    return JSON.parse(result.stdout);
  } finally {
    rmSync(inside, { recursive: true, force: true });
  }
}

/** `a` needs version 1 of `b`, the package itself version 2. */
const EXPECTED = ["skein@9.9.9", ["a@1.0.0", ["b@1.0.0"]], ["b@2.0.0"]];

describe("what a box needs of the host", () => {
  it("is found where npm nests a second version", async () => {
    place("node_modules/skein", "skein", "9.9.9", ["a", "b"]);
    place("node_modules/a", "a", "1.0.0", ["b"]);
    place("node_modules/a/node_modules/b", "b", "1.0.0");
    place("node_modules/b", "b", "2.0.0");
    place("node_modules/other", "other", "1.0.0");
    expect(await load("node_modules/skein")).toEqual(EXPECTED);
  });

  it("is found where pnpm links every package", async () => {
    const store = "node_modules/.pnpm";
    place(`${store}/skein@9.9.9/node_modules/skein`, "skein", "9.9.9", ["a", "b"]);
    place(`${store}/a@1.0.0/node_modules/a`, "a", "1.0.0", ["b"]);
    place(`${store}/b@1.0.0/node_modules/b`, "b", "1.0.0");
    place(`${store}/b@2.0.0/node_modules/b`, "b", "2.0.0");
    link(`${store}/skein@9.9.9/node_modules/a`, `${store}/a@1.0.0/node_modules/a`);
    link(`${store}/skein@9.9.9/node_modules/b`, `${store}/b@2.0.0/node_modules/b`);
    link(`${store}/a@1.0.0/node_modules/b`, `${store}/b@1.0.0/node_modules/b`);
    expect(await load(`${store}/skein@9.9.9/node_modules/skein`)).toEqual(EXPECTED);
  });

  it("says what is not installed", () => {
    place("node_modules/skein", "skein", "9.9.9", ["a"]);
    expect(() => readBoxRuntime(join(root, "node_modules/skein"), ["a"])).toThrow(
      expect.objectContaining({
        code: "box_create_failed",
        message: expect.stringContaining("The package a") as string,
      }) as Error,
    );
  });

  it("is this package's build and its few dependencies, all under one folder", () => {
    const { folders, links, boxdMain, version } = findBoxRuntime();
    expect(boxdMain.startsWith(`${RUNTIME_ROOT}/skein@${version}/`)).toBe(true);
    for (const path of [...folders.map(({ to }) => to), ...links.map((one) => one.path)])
      expect(path.startsWith(`${RUNTIME_ROOT}/`)).toBe(true);
    const names = folders.map(({ to }) => to);
    expect(names.some((name) => name.endsWith("/libsql"))).toBe(false);
    expect(readdirSync(folders[0]?.from as string)).toContain("agent");
  });
});
