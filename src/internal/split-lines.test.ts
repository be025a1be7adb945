import { expect, it } from "vitest";
import { splitLines } from "./split-lines.ts";

async function split(...chunks: string[]): Promise<string[]> {
  async function* pieces(): AsyncGenerator<string> {
    yield* chunks;
  }
  const lines: string[] = [];
  for await (const line of splitLines(pieces())) lines.push(line);
  return lines;
}

it("ends lines at newlines and nowhere else, wherever the pieces end", async () => {
  expect(await split("a\nb", "c\n", "\nd\u2028e\r", "\nf")).toEqual(["a", "bc", "", "d\u2028e\r", "f"]);
  expect(await split("a\n")).toEqual(["a"]);
  expect(await split()).toEqual([]);
});
