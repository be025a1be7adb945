import fc from "fast-check";
import { expect, it } from "vitest";
import { diffLines } from "./line-difference.ts";

const show = (before: string, after: string): string[] =>
  diffLines(before, after).map(({ lines }) =>
    lines.map(({ kind, text }) => `${kind === "same" ? " " : kind === "added" ? "+" : "-"}${text}`).join("|"),
  );

it("a change is shown with three lines around it, changes that are far apart in hunks of their own", () => {
  const lines = Array.from({ length: 20 }, (_line, at) => `l${at}`);
  const changed = lines.with(1, "X").with(15, "Y");
  expect(show(lines.join("\n"), changed.join("\n"))).toEqual([
    " l0|-l1|+X| l2| l3| l4",
    " l12| l13| l14|-l15|+Y| l16| l17| l18",
  ]);
  expect(show("a\n", "a\n")).toEqual([]);
  expect(show("", "a\n")).toEqual(["+a"]);
});

it("a file that is too large to compare is shown as replaced", () => {
  const before = Array.from({ length: 1500 }, (_line, at) => `a${at}`).join("\n");
  const after = Array.from({ length: 1500 }, (_line, at) => `b${at}`).join("\n");
  expect(diffLines(before, after)[0]?.lines).toHaveLength(3000);
});

it("both texts can be read from what is shown", () => {
  const text = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 6 }).map((lines) => lines.join("\n"));
  fc.assert(
    fc.property(text, text, (before, after) => {
      const lines = diffLines(before, after).flatMap((hunk) => hunk.lines);
      const rest = (one: string): number =>
        one.split("\n").filter((_line, at, all) => at < all.length - 1 || all[at] !== "").length;
      const old = lines.filter(({ kind }) => kind !== "added");
      for (const { oldLine, text: line } of old) expect(before.split("\n")[(oldLine ?? 0) - 1]).toBe(line);
      for (const { newLine, text: line, kind } of lines) {
        if (kind !== "removed") expect(after.split("\n")[(newLine ?? 0) - 1]).toBe(line);
      }
      const grown =
        lines.filter(({ kind }) => kind === "added").length - lines.filter(({ kind }) => kind === "removed").length;
      expect(grown).toBe(rest(after) - rest(before));
    }),
  );
});
