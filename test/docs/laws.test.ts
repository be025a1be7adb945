import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { lawTests, withLawTests } from "../../scripts/law-tests.mjs";

const page = readFileSync("docs/laws.md", "utf8");

it("docs/laws.md has every law once, in order", () => {
  const numbers = (letter: string, count: number): string[] =>
    Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);
  const headings = [...page.matchAll(/^### ([LKB]\d+) — /gm)].map((match) => match[1]);
  expect(headings).toEqual([...numbers("L", 10), ...numbers("K", 12), ...numbers("B", 6)]);
  const marks = [...page.matchAll(/<!-- tests:([LKB]\d+) -->/g)].map((match) => match[1]);
  expect(marks).toEqual(headings);
});

it("docs/laws.md names the tests that there are (`node scripts/law-tests.mjs` rewrites it)", () => {
  const listsOf = (text: string): string[] =>
    text.split("\n").filter((line) => /^(<!-- tests:|Tests: |No test yet)/.test(line));
  expect(listsOf(page)).toEqual(listsOf(withLawTests(page)));
});

it("no test carries the number of a law that there is not", () => {
  for (const [law, files] of lawTests()) expect(page, [...files].join(", ")).toContain(`### ${law} — `);
});
