import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findTypeFaults, runProgram } from "./run-typescript.ts";
import type { Program } from "./run-typescript.ts";

interface Block extends Program {
  /** What stands in the `text` block right after the code. */
  readonly prints: string | undefined;
  /** Goes on until it is ended; a test of its own runs it, with what it serves. */
  readonly serves: boolean;
}

const pages = [
  "README.md",
  "AGENTS.md",
  ...readdirSync("docs", { recursive: true, encoding: "utf8" }).map((path) => join("docs", path)),
].filter((path) => path.endsWith(".md"));

const blocks: Block[] = pages.flatMap((page) => {
  const found = readFileSync(page, "utf8").matchAll(
    /^```ts\n([\s\S]*?)^```\n(?:\nprints\n\n```text\n([\s\S]*?)^```)?(\nserves )?/gm,
  );
  return [...found].map(([, code, prints, serves], index) => ({
    name: `${page.replace(/\.md$/, "").replaceAll(/[^A-Za-z0-9]+/g, "-")}-${index + 1}`,
    code: code as string,
    prints,
    serves: serves !== undefined,
  }));
});

it("every block of TypeScript in the documentation is found with its marker", () => {
  const fences = pages.flatMap((page) => readFileSync(page, "utf8").match(/^```ts.*$/gm) ?? []);
  expect(blocks.length).toBe(fences.length);
});

it("the code in the documentation passes the compiler", { timeout: 120_000 }, () => {
  expect(findTypeFaults("docs", blocks)).toEqual([]);
});

describe("the code in the documentation runs", () => {
  it.each(blocks.filter(({ serves }) => !serves))("$name", { timeout: 120_000 }, async (block) => {
    const { exitCode, stdout, stderr } = await runProgram("docs", block);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    if (block.prints !== undefined) expect(stdout).toBe(block.prints);
  });
});
