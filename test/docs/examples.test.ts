import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runProgram } from "./run-typescript.ts";

const examples = readdirSync("examples")
  .filter((file) => file.endsWith(".ts"))
  .map((file) => ({ name: file.replace(/\.ts$/, ""), code: readFileSync(join("examples", file), "utf8") }));

it("the examples are numbered without gaps", () => {
  expect(examples.map(({ name }) => Number(name.slice(0, 2)))).toEqual(examples.map((_, index) => index + 1));
});

describe("the example", () => {
  it.each(examples)("$name runs and prints what it says", { timeout: 180_000 }, async (example) => {
    expect(example.code.trimEnd().split("\n").length).toBeLessThanOrEqual(60);
    const { exitCode, stdout, stderr } = await runProgram("examples", example, 150_000);
    expect({ exitCode, stderr }, stdout).toEqual({ exitCode: 0, stderr: "" });
    const promised = [...example.code.matchAll(/^\/\/ prints: (.+)$/gm)].map((match) => match[1] as string);
    expect(promised.length).toBeGreaterThan(0);
    for (const line of promised) expect(stdout).toContain(line);
  });
});
