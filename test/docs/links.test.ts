import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";

const pages = [
  "README.md",
  "AGENTS.md",
  ...readdirSync("docs", { recursive: true, encoding: "utf8" }).map((path) => join("docs", path)),
].filter((path) => path.endsWith(".md"));

it("every link between pages leads to a file", () => {
  const broken = pages.flatMap((page) =>
    [...readFileSync(page, "utf8").matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1] as string)
      .filter((target) => !existsSync(join(dirname(page), target)))
      .map((target) => `${page}: ${target}`),
  );
  expect(broken).toEqual([]);
});

it("every path into the tree that a page names is there", () => {
  const missing = pages.flatMap((page) =>
    [...readFileSync(page, "utf8").matchAll(/`((?:src|test|bench|examples|scripts|docs)\/[\w./-]+)`/g)]
      .map((match) => match[1] as string)
      .filter((path) => !existsSync(path))
      .map((path) => `${page}: ${path}`),
  );
  expect(missing).toEqual([]);
});

it("docs/architecture.md names every folder of src/ and no other", () => {
  const page = readFileSync("docs/architecture.md", "utf8");
  const folders = readdirSync("src", { withFileTypes: true }).filter((file) => file.isDirectory());
  const named = new Set([...page.matchAll(/^\| `(\w+)\/` \|/gm)].map((match) => match[1]));
  expect([...named].sort()).toEqual(
    folders
      .filter(({ name }) => readdirSync(join("src", name)).length > 0)
      .map(({ name }) => name)
      .sort(),
  );
});

it("the README has at most 150 lines", () => {
  expect(readFileSync("README.md", "utf8").split("\n").length).toBeLessThanOrEqual(150);
});
