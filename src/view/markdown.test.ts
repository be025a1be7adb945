import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type MarkdownBlock, type MarkdownInline, parseInline, parseMarkdown, toSafeAddress } from "./markdown.ts";

const text = (value: string): MarkdownInline => ({ type: "text", text: value });

describe("inline", () => {
  it.each<[string, MarkdownInline[]]>([
    ["a **b** c", [text("a "), { type: "strong", children: [text("b")] }, text(" c")]],
    [
      "*b* and _c_",
      [{ type: "emphasis", children: [text("b")] }, text(" and "), { type: "emphasis", children: [text("c")] }],
    ],
    ["`a*b*` c", [{ type: "code", text: "a*b*" }, text(" c")]],
    ["``a`b``", [{ type: "code", text: "a`b" }]],
    ["snake_case_name 2 * 3 * 4", [text("snake_case_name 2 * 3 * 4")]],
    ["\\*not\\*", [text("*not*")]],
    ["~~gone~~", [{ type: "strike", children: [text("gone")] }]],
    ["**open", [text("**open")]],
    ["[a](https://x.y/z)", [{ type: "link", href: "https://x.y/z", children: [text("a")] }]],
    [
      "see https://x.y/z.",
      [text("see "), { type: "link", href: "https://x.y/z", children: [text("https://x.y/z")] }, text(".")],
    ],
    [
      "(https://x.y/a(b))",
      [text("("), { type: "link", href: "https://x.y/a(b)", children: [text("https://x.y/a(b)")] }, text(")")],
    ],
    ["![alt](https://x.y/p.png)", [{ type: "link", href: "https://x.y/p.png", children: [text("alt")] }]],
    ["<b>bold</b>", [text("<b>bold</b>")]],
  ])("%s", (source, nodes) => {
    expect(merge(parseInline(source))).toEqual(nodes);
  });
});

/** Neighbouring texts as one. */
function merge(nodes: readonly MarkdownInline[]): MarkdownInline[] {
  const merged: MarkdownInline[] = [];
  for (const node of nodes) {
    const last = merged.at(-1);
    if (node.type === "text" && last?.type === "text") merged[merged.length - 1] = text(last.text + node.text);
    else merged.push(node);
  }
  return merged;
}

describe("addresses", () => {
  it.each([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "\u0001javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "//evil.example",
    "/api/sessions",
    "https://",
    "https://a\u202Eb.example",
    "blob:https://x.y/z",
  ])("%s leads nowhere", (address) => {
    expect(toSafeAddress(address)).toBeUndefined();
    expect(JSON.stringify(parseMarkdown(`[a](${address}) <${address}> ${address}`))).not.toContain('"href":"java');
  });

  it("of pages and mail are kept as a browser reads them", () => {
    expect(toSafeAddress("HTTPS://Example.com/a")).toBe("https://example.com/a");
    expect(toSafeAddress("mailto:a@b.c")).toBe("mailto:a@b.c");
  });
});

describe("blocks", () => {
  const types = (blocks: readonly MarkdownBlock[]): string[] => blocks.map(({ type }) => type);

  it("are paragraphs, headings, code, lists, quotes, tables and rules", () => {
    const source =
      "# Title\n\none\ntwo\n\n```js\nlet a = '# no';\n```\n- x\n- y\n\n> said\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n---\n";
    expect(types(parseMarkdown(source))).toEqual(["heading", "paragraph", "code", "list", "quote", "table", "rule"]);
  });

  it("lists hold lists and code", () => {
    const [list] = parseMarkdown("1. one\n   - inner\n   - second\n2. two\n\n   ```\n   code\n   ```\n");
    expect(list).toMatchObject({ type: "list", start: 1 });
    const { items } = list as Extract<MarkdownBlock, { type: "list" }>;
    expect(items.map((item) => types(item))).toEqual([
      ["paragraph", "list"],
      ["paragraph", "code"],
    ]);
  });

  it("code without an end goes on to the end, and may begin in the middle", () => {
    expect(parseMarkdown("```\na\n\nb")).toEqual([{ type: "code", language: "", text: "a\n\nb" }]);
    expect(types(parseMarkdown("a\n```\nthen", { insideCode: true }))).toEqual(["code", "paragraph"]);
  });

  it("never fail, and keep every letter and digit of a text without marks", () => {
    const piece = fc.constantFrom(
      "*",
      "_",
      "`",
      "[",
      "](",
      ")",
      "\n",
      "> ",
      "- ",
      "1. ",
      "```",
      "#",
      "|",
      "---",
      "a",
      " ",
      "https://x.y",
      "<",
      "\\",
      "~~",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
        expect(Array.isArray(parseMarkdown(pieces.join("")))).toBe(true);
      }),
    );
    expect(JSON.stringify(parseMarkdown("alpha beta 42"))).toContain("alpha beta 42");
  });

  it("take linear time, however hostile the text", () => {
    const started = performance.now();
    for (const piece of [
      "**a ",
      "[",
      "[a](",
      "`",
      "``a`",
      "> ",
      "- ",
      "_a",
      "a|",
      "https://",
      "<h",
      "~~x",
      "\n- a\n  ",
    ]) {
      parseMarkdown(piece.repeat(Math.floor(200_000 / piece.length)));
    }
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
