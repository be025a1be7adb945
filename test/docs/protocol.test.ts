import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

it("docs/protocol.md lists every type of event once, and no other", () => {
  const source = readFileSync("src/event/event.ts", "utf8");
  const types = new Set([...source.matchAll(/readonly type: "([a-z.-]+)"/g)].map((match) => match[1]));
  const rows = readFileSync("docs/protocol.md", "utf8").match(/^\| `[a-z]+(?:\.[a-z-]+)?`.*?\|/gm) ?? [];
  const listed = rows
    .flatMap((row) => [...row.matchAll(/`([a-z.-]+)`/g)].map((match) => match[1]))
    .filter((name) => name?.includes(".") || name === "custom" || name === "final");
  expect(listed.sort()).toEqual([...types].sort());
});

it("docs/protocol.md lists the requests that boxd answers", () => {
  const rowsOf = (text: string, pattern: RegExp): (string | undefined)[] =>
    [...text.matchAll(pattern)].map((match) => match[1]).sort();
  const spoken = rowsOf(
    readFileSync("src/sandbox/boxd/protocol.ts", "utf8"),
    /^ \* \| ((?:`(?:GET|POST|PUT|DELETE)\b).*?`)(?: \{.*?| `\{.*?)? \|/gm,
  );
  const listed = rowsOf(readFileSync("docs/protocol.md", "utf8"), /^\| ((?:`(?:GET|POST|PUT|DELETE)\b).*?`) \|/gm);
  expect(spoken.length).toBeGreaterThan(5);
  expect(listed).toEqual(spoken);
});
