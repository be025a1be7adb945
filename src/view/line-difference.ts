import type { PatchHunk, PatchLine } from "./parse-patch.ts";

const CONTEXT = 3;
/** Where more pairs of lines than this would have to be compared, the whole middle is shown as replaced. */
const MAX_PAIRS = 1_000_000;

/** What changed between two texts, line by line, in hunks with three lines around each change. */
export function diffLines(before: string, after: string): PatchHunk[] {
  const left = toLines(before);
  const right = toLines(after);
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start++;
  let end = 0;
  while (
    end < left.length - start &&
    end < right.length - start &&
    left[left.length - 1 - end] === right[right.length - 1 - end]
  )
    end++;

  const lines: PatchLine[] = [];
  const same = (text: string, oldLine: number, newLine: number): void => {
    lines.push({ kind: "same", text, oldLine, newLine });
  };
  for (let at = 0; at < start; at++) same(left[at] as string, at + 1, at + 1);
  compareMiddle(left.slice(start, left.length - end), right.slice(start, right.length - end), start, lines);
  for (let at = end; at > 0; at--) same(left[left.length - at] as string, left.length - at + 1, right.length - at + 1);
  return toHunks(lines);
}

function toLines(text: string): string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function compareMiddle(left: readonly string[], right: readonly string[], offset: number, lines: PatchLine[]): void {
  const width = right.length + 1;
  const isSmall = left.length * right.length <= MAX_PAIRS;
  const longest = new Uint32Array(isSmall ? (left.length + 1) * width : 0);
  for (let a = left.length - 1; isSmall && a >= 0; a--) {
    for (let b = right.length - 1; b >= 0; b--) {
      longest[a * width + b] =
        left[a] === right[b]
          ? 1 + (longest[(a + 1) * width + b + 1] ?? 0)
          : Math.max(longest[(a + 1) * width + b] ?? 0, longest[a * width + b + 1] ?? 0);
    }
  }
  let a = 0;
  let b = 0;
  while (a < left.length || b < right.length) {
    if (isSmall && a < left.length && b < right.length && left[a] === right[b]) {
      lines.push({ kind: "same", text: left[a] as string, oldLine: offset + a + 1, newLine: offset + b + 1 });
      a++;
      b++;
    } else if (
      a < left.length &&
      (!isSmall || b >= right.length || (longest[(a + 1) * width + b] ?? 0) >= (longest[a * width + b + 1] ?? 0))
    ) {
      lines.push({ kind: "removed", text: left[a] as string, oldLine: offset + a + 1 });
      a++;
    } else {
      lines.push({ kind: "added", text: right[b] as string, newLine: offset + b + 1 });
      b++;
    }
  }
}

function toHunks(lines: readonly PatchLine[]): PatchHunk[] {
  const hunks: PatchHunk[] = [];
  let from = 0;
  while (from < lines.length) {
    let first = from;
    while (first < lines.length && lines[first]?.kind === "same") first++;
    if (first >= lines.length) break;
    let last = first;
    for (let at = first; at < lines.length && at - last <= CONTEXT * 2; at++) {
      if (lines[at]?.kind !== "same") last = at;
    }
    hunks.push({ heading: "", lines: lines.slice(Math.max(from, first - CONTEXT), last + 1 + CONTEXT) });
    from = last + 1 + CONTEXT;
  }
  return hunks;
}
