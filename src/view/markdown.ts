/**
 * A small, safe part of Markdown as plain data: no markup of its own ever reaches a page, images are never loaded, and a link keeps only
 * an address that cannot run. Everything that is not known stays the text that it is.
 */
export type MarkdownInline =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "code"; readonly text: string }
  | { readonly type: "strong" | "emphasis" | "strike"; readonly children: readonly MarkdownInline[] }
  | { readonly type: "link"; readonly href: string; readonly children: readonly MarkdownInline[] };

export type MarkdownBlock =
  | { readonly type: "paragraph"; readonly children: readonly MarkdownInline[] }
  | { readonly type: "heading"; readonly level: number; readonly children: readonly MarkdownInline[] }
  | { readonly type: "code"; readonly language: string; readonly text: string }
  | { readonly type: "list"; readonly start?: number; readonly items: readonly (readonly MarkdownBlock[])[] }
  | { readonly type: "quote"; readonly children: readonly MarkdownBlock[] }
  | {
      readonly type: "table";
      readonly header: readonly (readonly MarkdownInline[])[];
      readonly rows: readonly (readonly (readonly MarkdownInline[])[])[];
    }
  | { readonly type: "rule" };

const MAX_DEPTH = 6;
const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^ {0,3}(?:-(?: *-){2,}|\*(?: *\*){2,}|_(?: *_){2,}) *$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})(?:[-*+]|(\d{1,9})[.)])(?: +|$)/;
const TABLE_RULE = /^ {0,3}\|? *:?-+:? *(?:\| *:?-+:? *)*\|? *$/;

/** @param insideCode the text begins inside a fenced block, because what is before it was cut off */
export function parseMarkdown(text: string, { insideCode = false } = {}): MarkdownBlock[] {
  const lines = text.split("\n");
  if (!insideCode) return parseBlocks(lines, 0);
  const end = lines.findIndex((line) => /^ {0,3}(?:`{3,}|~{3,})\s*$/.test(line));
  const code: MarkdownBlock = {
    type: "code",
    language: "",
    text: lines.slice(0, end < 0 ? undefined : end).join("\n"),
  };
  return end < 0 ? [code] : [code, ...parseBlocks(lines.slice(end + 1), 0)];
}

function parseBlocks(lines: readonly string[], depth: number): MarkdownBlock[] {
  const blocks: MarkdownBlock[] = [];
  let paragraph: string[] = [];
  const flush = (): void => {
    if (paragraph.length > 0) blocks.push({ type: "paragraph", children: parseInline(paragraph.join("\n")) });
    paragraph = [];
  };
  for (let at = 0; at < lines.length;) {
    const line = lines[at] as string;
    if (line.trim() === "") {
      flush();
      at++;
      continue;
    }
    const fence = FENCE.exec(line);
    if (fence !== null) {
      flush();
      const mark = fence[1] as string;
      let end = at + 1;
      while (end < lines.length && !closesFence(lines[end] as string, mark)) end++;
      blocks.push({ type: "code", language: fence[2] ?? "", text: lines.slice(at + 1, end).join("\n") });
      at = end + 1;
      continue;
    }
    const heading = HEADING.exec(line);
    if (heading !== null) {
      flush();
      blocks.push({
        type: "heading",
        level: (heading[1] as string).length,
        children: parseInline(heading[2] as string),
      });
      at++;
      continue;
    }
    if (RULE.test(line)) {
      flush();
      blocks.push({ type: "rule" });
      at++;
      continue;
    }
    if (depth < MAX_DEPTH && QUOTE.test(line)) {
      flush();
      let end = at;
      while (end < lines.length && QUOTE.test(lines[end] as string)) end++;
      const inner = lines.slice(at, end).map((quoted) => quoted.replace(QUOTE, ""));
      blocks.push({ type: "quote", children: parseBlocks(inner, depth + 1) });
      at = end;
      continue;
    }
    if (depth < MAX_DEPTH && ITEM.test(line)) {
      flush();
      const { block, next } = parseList(lines, at, depth);
      blocks.push(block);
      at = next;
      continue;
    }
    if (line.includes("|") && TABLE_RULE.test(lines[at + 1] ?? "") && (lines[at + 1] as string).includes("-")) {
      const header = splitRow(line);
      if (header.length > 1) {
        flush();
        let end = at + 2;
        while (end < lines.length && (lines[end] as string).includes("|")) end++;
        const rows = lines.slice(at + 2, end).map((row) => splitRow(row).slice(0, header.length).map(parseInline));
        blocks.push({ type: "table", header: header.map(parseInline), rows });
        at = end;
        continue;
      }
    }
    paragraph.push(line.trimStart());
    at++;
  }
  flush();
  return blocks;
}

const closesFence = (line: string, mark: string): boolean => {
  const text = line.trim();
  return text.length >= mark.length && text === (mark[0] as string).repeat(text.length);
};

function parseList(
  lines: readonly string[],
  from: number,
  depth: number,
): { readonly block: MarkdownBlock; readonly next: number } {
  const firstMatch = ITEM.exec(lines[from] as string) as RegExpExecArray;
  const isOrdered = firstMatch[2] !== undefined;
  const items: MarkdownBlock[][] = [];
  let at = from;
  while (at < lines.length) {
    const match = ITEM.exec(lines[at] as string);
    if (match === null || (match[2] !== undefined) !== isOrdered || RULE.test(lines[at] as string)) break;
    const indent = Math.min(match[0].length, (match[1] as string).length + 4);
    const inner = [(lines[at] as string).slice(match[0].length)];
    at++;
    // What is indented below an item belongs to it; an empty line only where an indented one follows.
    while (at < lines.length) {
      const line = lines[at] as string;
      const isEmpty = line.trim() === "";
      const next = isEmpty ? (lines[at + 1] ?? "") : line;
      if (next.trim() === "" || !/^(?: {2}|\t)/.test(next)) {
        if (isEmpty || ITEM.test(line) || FENCE.test(line) || HEADING.test(line) || QUOTE.test(line)) break;
        // A paragraph may go on without being indented.
        inner.push(line);
        at++;
        continue;
      }
      inner.push(isEmpty ? "" : line.replace(new RegExp(`^(?:\\t| {1,${indent}})`), ""));
      at++;
    }
    items.push(parseBlocks(inner, depth + 1));
    if ((lines[at] ?? "").trim() === "" && ITEM.test(lines[at + 1] ?? "")) at++;
  }
  return {
    block: { type: "list", ...(isOrdered ? { start: Number(firstMatch[2]) } : {}), items },
    next: at,
  };
}

function splitRow(line: string): string[] {
  return line
    .trim()
    .replace(/^\|/, "")
    .replace(/\|$/, "")
    .split("|")
    .map((cell) => cell.trim());
}

/** How far a mark looks for the one that closes it, and how often that may be in vain: the time stays linear in the text. */
const MAX_SPAN = 2000;
const MAX_SEARCHES = 2000;
const SPECIAL = /[\\`*_~[!<h]/g;
const ADDRESS = /https?:\/\/[^\s<>"'`\\^{}|]+/y;
const TARGET = /\(\s*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/y;

export function parseInline(text: string): MarkdownInline[] {
  return new InlineParser().parse(text, 0);
}

class InlineParser {
  #searches = 0;

  parse(text: string, depth: number): MarkdownInline[] {
    const nodes: MarkdownInline[] = [];
    let plain = "";
    const flush = (): void => {
      if (plain !== "") nodes.push({ type: "text", text: plain });
      plain = "";
    };
    for (let at = 0; at < text.length;) {
      SPECIAL.lastIndex = at;
      const special = SPECIAL.exec(text)?.index ?? text.length;
      plain += text.slice(at, special);
      at = special;
      if (at >= text.length) break;
      const found = depth < MAX_DEPTH ? this.#match(text, at, depth) : undefined;
      if (found === undefined) {
        plain += text[at];
        at++;
        continue;
      }
      if (found.node === undefined) {
        plain += found.plain;
      } else {
        flush();
        nodes.push(found.node);
      }
      at = found.end;
    }
    flush();
    return nodes;
  }

  #match(
    text: string,
    at: number,
    depth: number,
  ): { readonly node?: MarkdownInline; readonly plain?: string; readonly end: number } | undefined {
    switch (text[at]) {
      case "\\":
        return /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "") ? { plain: text[at + 1] as string, end: at + 2 } : undefined;
      case "`": {
        const mark = (/^`+/.exec(text.slice(at, at + 64)) as RegExpExecArray)[0];
        const end = this.#find(text, mark, at + mark.length);
        if (end < 0 || text[end + mark.length] === "`") return { plain: mark, end: at + mark.length };
        const code = text.slice(at + mark.length, end);
        const isPadded = code.startsWith(" ") && code.endsWith(" ") && code.trim() !== "";
        return { node: { type: "code", text: isPadded ? code.slice(1, -1) : code }, end: end + mark.length };
      }
      case "*":
      case "_":
      case "~":
        return this.#emphasis(text, at, depth);
      case "!":
      case "[":
        return this.#link(text, at, depth);
      case "<":
      case "h":
        return matchAddress(text, at);
      default:
        return undefined;
    }
  }

  #emphasis(
    text: string,
    at: number,
    depth: number,
  ): { readonly node: MarkdownInline; readonly end: number } | undefined {
    const sign = text[at] as string;
    const mark = text[at + 1] === sign ? sign + sign : sign;
    if (sign === "~" && mark.length < 2) return undefined;
    const from = at + mark.length;
    if (/\s/.test(text[from] ?? " ")) return undefined;
    // snake_case is a name, not emphasis.
    if (sign === "_" && /\w/.test(text[at - 1] ?? " ")) return undefined;
    const end = this.#find(text, mark, from + 1);
    if (end < 0 || /\s/.test(text[end - 1] ?? " ")) return undefined;
    if (sign === "_" && /\w/.test(text[end + mark.length] ?? " ")) return undefined;
    if (mark.length === 1 && text[end + 1] === sign) return undefined;
    const type = sign === "~" ? "strike" : mark.length === 2 ? "strong" : "emphasis";
    return { node: { type, children: this.parse(text.slice(from, end), depth + 1) }, end: end + mark.length };
  }

  #link(text: string, at: number, depth: number): { readonly node: MarkdownInline; readonly end: number } | undefined {
    const open = text[at] === "!" ? at + 1 : at;
    if (text[open] !== "[") return undefined;
    const close = this.#find(text, "](", open + 1);
    if (close < 0 || text.slice(open + 1, close).includes("\n\n")) return undefined;
    TARGET.lastIndex = close + 1;
    const target = TARGET.exec(text.slice(0, close + 1 + MAX_SPAN));
    if (target === null) return undefined;
    const href = toSafeAddress(target[1] ?? "");
    // An address that is not safe is said, as it was written, and leads nowhere.
    if (href === undefined) return undefined;
    const label = text.slice(open + 1, close);
    const children = this.parse(label === "" ? href : label, depth + 1).flatMap(withoutLinks);
    return { node: { type: "link", href, children }, end: TARGET.lastIndex };
  }

  #find(text: string, mark: string, from: number): number {
    if (this.#searches >= MAX_SEARCHES) return -1;
    const found = text.slice(from, from + MAX_SPAN).indexOf(mark);
    if (found < 0) this.#searches++;
    return found < 0 ? -1 : from + found;
  }
}

/** A link inside a link has no place to lead to. */
function withoutLinks(node: MarkdownInline): readonly MarkdownInline[] {
  return node.type === "link" ? node.children : [node];
}

function matchAddress(text: string, at: number): { readonly node: MarkdownInline; readonly end: number } | undefined {
  const from = text[at] === "<" ? at + 1 : at;
  if (from === at && /\w/.test(text[at - 1] ?? " ")) return undefined;
  ADDRESS.lastIndex = from;
  const found = ADDRESS.exec(text)?.[0];
  if (found === undefined) return undefined;
  const isClosed = from > at && text[from + found.length] === ">";
  let address = isClosed ? found : found.replace(/[.,;:!?*_~]+$/, "");
  // A bracket that was opened before the address is closed behind it.
  if (!isClosed) address = withoutOpenBracket(withoutOpenBracket(address, "[", "]"), "(", ")");
  const href = toSafeAddress(address);
  if (href === undefined || (from > at && !isClosed)) return undefined;
  return {
    node: { type: "link", href, children: [{ type: "text", text: address }] },
    end: from + address.length + (isClosed ? 1 : 0),
  };
}

function withoutOpenBracket(address: string, open: string, close: string): string {
  if (!address.endsWith(close)) return address;
  return address.split(close).length > address.split(open).length ? address.slice(0, -1) : address;
}

const SAFE_PROTOCOLS = new Set(["http:", "https:", "mailto:"]);

/** The address as a browser will read it; undefined where it is not whole, or where following it could do more than open a page. */
export function toSafeAddress(address: string): string | undefined {
  // What a browser leaves out of an address could hide its protocol.
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (
    !/^(?:https?:\/\/|mailto:)/i.test(address) ||
    /[\u0000-\u0020\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/.test(address)
  )
    return undefined;
  try {
    const url = new URL(address);
    return SAFE_PROTOCOLS.has(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}
