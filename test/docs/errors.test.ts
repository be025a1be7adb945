import { readFileSync } from "node:fs";
import { ERROR_CODES } from "../../dist/errors.js";
import { expect, it } from "vitest";

const page = readFileSync("docs/errors.md", "utf8");
const rows = [...page.matchAll(/^\| `(\w+)`( ↻)? \| (.+?) \| (.+?) \|$/gm)].map(
  ([, code, retryable, meaning, next]) => ({
    code: code as string,
    retryable: retryable !== undefined,
    meaning,
    next: next as string,
  }),
);

it("docs/errors.md has every code of the table once, and no other", () => {
  expect(rows.map((row) => row.code).sort()).toEqual(Object.keys(ERROR_CODES).sort());
});

it("docs/errors.md says of every code what the table says, and what to do next", () => {
  for (const row of rows) {
    const entry = ERROR_CODES[row.code as keyof typeof ERROR_CODES];
    expect({ code: row.code, retryable: row.retryable, meaning: row.meaning }).toEqual({
      code: row.code,
      retryable: entry.retryable,
      meaning: entry.meaning,
    });
    expect(row.next.length, row.code).toBeGreaterThan(10);
  }
});
