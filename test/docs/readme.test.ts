import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const readme = readFileSync("README.md", "utf8");
const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };

it("what the README's table names is exported from where it says", async () => {
  const rows =
    readme
      .split("## I want to…")[1]
      ?.split("\n## ")[0]
      ?.match(/^\| .*\|$/gm) ?? [];
  const named = rows.flatMap((row) => {
    const subpath = /from `(skein[\w/-]*)`/.exec(row)?.[1] ?? "skein";
    return [...row.matchAll(/`(\w+)(?:\([^`]*)?`/g)]
      .map((match) => ({ name: match[1] as string, subpath }))
      .filter(({ name }) => name !== "skein" && name !== "lineage");
  });
  expect(named.length).toBeGreaterThan(8);
  for (const { name, subpath } of named)
    expect(Object.keys((await import(subpath)) as object), `${subpath} exports ${name}`).toContain(name);
});

it("the scripts that the README and AGENTS.md name are there", () => {
  for (const page of [readme, readFileSync("AGENTS.md", "utf8")]) {
    for (const [, name] of page.matchAll(/npm run ([\w:]+)/g)) expect(Object.keys(scripts)).toContain(name);
  }
});

it("the commands in the documentation have the options that they are shown with", { timeout: 120_000 }, () => {
  const pages = [
    "README.md",
    ...readdirSync("docs", { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".md"))
      .map((path) => join("docs", path)),
  ];
  const shown = pages.flatMap((page) => [
    ...readFileSync(page, "utf8").matchAll(/(?:npx |`)skein ([a-z]+)([^`\n#]*)/g),
  ]);
  const help = new Map<string, string>();
  const helpOf = (...words: string[]): string => {
    const command = words.join(" ");
    const known =
      help.get(command) ??
      execFileSync(process.execPath, ["dist/cli/main.js", ...words, "--help"], { encoding: "utf8" });
    help.set(command, known);
    return known;
  };
  for (const [line, command = "", rest = ""] of shown) {
    const [, below = ""] = /^ ([a-z]+)/.exec(rest) ?? [];
    const isBelow = below !== "" && new RegExp(`^  ${below}\\b`, "m").test(helpOf(command));
    const said = isBelow ? helpOf(command, below) : helpOf(command);
    for (const [option] of rest.matchAll(/--[a-z-]+/g)) expect(said, line).toContain(`${option} `);
  }
  expect(help.size).toBeGreaterThan(5);
});
