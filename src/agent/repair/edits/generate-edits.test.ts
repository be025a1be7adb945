import { describe, expect, it } from "vitest";
import { applyEdit } from "./edit.ts";
import { generateEdits, isReadable } from "./generate-edits.ts";

/** Every program that is one edit away from `source`, without white space. */
function neighbours(source: string): Set<string> {
  const { edits } = generateEdits(new Map([["lib/a.js", source]]), () => true);
  return new Set(edits.filter((edit) => isReadable(source, edit)).map((edit) => squeeze(applyEdit(source, edit))));
}

const squeeze = (source: string): string => source.replace(/\s+/g, "");

describe("generateEdits", () => {
  it.each([
    ["a comparison", "const f = (a, b) => a < b;", "const f = (a, b) => a <= b;"],
    ["an arithmetic operator", "const f = (a, b) => a + b;", "const f = (a, b) => a - b;"],
    ["and for or", "const f = (a, b) => a && b;", "const f = (a, b) => a || b;"],
    ["a default that overrules zero", "const f = (a) => a || 10;", "const f = (a) => a ?? 10;"],
    [
      "a negated condition",
      "function f(a) { if (!a) return 1; return 2; }",
      "function f(a) { if (a) return 1; return 2; }",
    ],
    [
      "a condition that should be negated",
      "function f(a) { if (a.ok) return 1; return 2; }",
      "function f(a) { if (!a.ok) return 1; return 2; }",
    ],
    ["branches the wrong way round", "const f = (a) => (a ? 1 : 2);", "const f = (a) => (a ? 2 : 1);"],
    ["a wrong number", "const f = (a) => a * 99;", "const f = (a) => a * 100;"],
    ["an index that is one off", "const f = (list, i) => list[i];", "const f = (list, i) => list[i - 1];"],
    [
      "a bound that is one off",
      "const f = (list) => list.slice(0, list.length - 1);",
      "const f = (list) => list.slice(0, list.length);",
    ],
    ["swapped operands", "const f = (a, b) => a - b;", "const f = (a, b) => b - a;"],
    [
      "swapped arguments",
      "function g(x, y) {} const f = (a, b) => g(a, b);",
      "function g(x, y) {} const f = (a, b) => g(b, a);",
    ],
    [
      "a missing argument",
      "function g(x, base) {} function f(x, base) { return g(x); }",
      "function g(x, base) {} function f(x, base) { return g(x, base); }",
    ],
    ["a wrong variable", "const f = (low, high) => low + low;", "const f = (low, high) => low + high;"],
    ["a wrong property", "const f = (o) => o.from + o.from + o.to;", "const f = (o) => o.from + o.to + o.to;"],
    ["a wrong method", "const f = (list) => list.some((x) => x);", "const f = (list) => list.every((x) => x);"],
    ["numbers sorted as text", "const f = (list) => list.sort();", "const f = (list) => list.sort((a, b) => a - b);"],
    [
      "a missing await",
      "async function g() {} async function f() { const x = g(); return x; }",
      "async function g() {} async function f() { const x = await g(); return x; }",
    ],
    [
      "promises that nobody waits for",
      "async function f(l) { const r = l.map(async (x) => x); return r; }",
      "async function f(l) { const r = await Promise.all(l.map(async (x) => x)); return r; }",
    ],
    ["a missing return", "function f(a) { a.go(); }", "function f(a) { return a.go(); }"],
    [
      "a fold that hands nothing on",
      "const f = (l) => l.reduce((acc, x) => { acc[x] = 1; }, {});",
      "const f = (l) => l.reduce((acc, x) => { acc[x] = 1; return acc; }, {});",
    ],
    ["an error that is not thrown", "function f() { new Error('no'); }", "function f() { throw new Error('no'); }"],
    [
      "a missing break",
      "function f(a) { switch (a) { case 1: g(); case 2: h(); } }",
      "function f(a) { switch (a) { case 1: g(); break; case 2: h(); } }",
    ],
    ["break for continue", "for (const x of y) { if (x) break; }", "for (const x of y) { if (x) continue; }"],
    ["a list that is changed in place", "const f = (list) => list.sort(g);", "const f = (list) => [...list].sort(g);"],
    ["defaults that win over options", "const f = (o) => ({ ...o, ...d });", "const f = (o) => ({ ...d, ...o });"],
    ["a missing flag", "const f = (s) => s.replace(/a/, 'b');", "const f = (s) => s.replace(/a/g, 'b');"],
    ["a missing anchor", "const f = (s) => /^a/.test(s);", "const f = (s) => /^a$/.test(s);"],
    ["brackets that are missing", "const f = (a, b) => a + b * 2;", "const f = (a, b) => (a + b) * 2;"],
    ["a counter that begins as nothing", "const f = (m, k) => m[k] + 1;", "const f = (m, k) => (m[k] ?? 0) + 1;"],
  ])("knows the way out of %s", (_bug, source, repaired) => {
    expect(neighbours(source)).toContain(squeeze(repaired));
  });

  it("proposes every edit once", () => {
    const source =
      "export function f(a, b) { for (let i = 0; i < a.length; i++) { if (a[i] === b) return i - 1; } return -1; }";
    const { edits } = generateEdits(new Map([["lib/a.js", source]]), () => true);
    const programs = edits.map((edit) => applyEdit(source, edit));
    expect(new Set(programs).size).toBe(programs.length);
    expect(edits.length).toBeGreaterThan(30);
  });

  it("copes with names that every object has", () => {
    const source = "function f(x) { return toString(x) + constructor(x) + x.constructor() + x.hasOwnProperty(f); }";
    expect(() => generateEdits(new Map([["lib/a.js", source]]), () => true)).not.toThrow();
  });

  it("names files that it cannot parse, and goes on with the others", () => {
    const sources = new Map([
      ["lib/broken.js", "const = 1;"],
      ["lib/fine.cjs", "#!/usr/bin/env node\nreturn 1 + 2;\n"],
    ]);
    const { edits, unreadable } = generateEdits(sources, () => true);
    expect([...unreadable.keys()]).toEqual(["lib/broken.js"]);
    expect(edits.every((edit) => edit.file === "lib/fine.cjs" && edit.line === 2)).toBe(true);
  });
});
