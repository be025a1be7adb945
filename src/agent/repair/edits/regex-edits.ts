import { propose, type EditRule } from "./edit-rule.ts";
import type { EditProposal } from "./edit.ts";
import { textOf } from "./syntax-tree.ts";

/** Flags, anchors, quantifiers and escapes of a regular expression. */
export const regexEdits: EditRule = ({ node, source }) => {
  if (node.type !== "Literal" || !("regex" in node) || !node.regex) return [];
  const { pattern, flags } = node.regex;
  const edits: EditProposal[] = [];
  const seen = new Set<string>([textOf(source, node)]);
  const offer = (body: string, marks: string, prior: number): void => {
    const text = `/${body}/${marks}`;
    if (seen.has(text) || !isRegex(body, marks)) return;
    seen.add(text);
    edits.push(propose(node, text, "regex", prior));
  };
  offer(pattern, flags.includes("g") ? flags.replace("g", "") : `${flags}g`, 0.45);
  if (!flags.includes("i")) offer(pattern, `${flags}i`, 0.3);
  if (!flags.includes("m") && /[\^$]/.test(pattern)) offer(pattern, `${flags}m`, 0.15);
  if (!pattern.startsWith("^")) offer(`^${pattern}`, flags, 0.25);
  if (!pattern.endsWith("$")) offer(`${pattern}$`, flags, 0.3);
  for (const { index } of pattern.matchAll(/(?<!\\)[+*]/g)) {
    const other = pattern[index] === "+" ? "*" : "+";
    offer(pattern.slice(0, index) + other + pattern.slice(index + 1), flags, 0.4);
  }
  for (const { index } of pattern.matchAll(/(?<!\\)\./g))
    offer(`${pattern.slice(0, index)}\\${pattern.slice(index)}`, flags, 0.3);
  for (const { index } of pattern.matchAll(/(?<=\\[dwsDWS]|\]|(?<!\\)\.)(?![+*?{\]])/g)) {
    offer(`${pattern.slice(0, index)}+${pattern.slice(index)}`, flags, 0.35);
    offer(`${pattern.slice(0, index)}?${pattern.slice(index)}`, flags, 0.15);
  }
  for (const { index } of pattern.matchAll(/\{(\d+)/g)) {
    const digits = /^\d+/.exec(pattern.slice(index + 1))?.[0] ?? "";
    for (const next of [Number(digits) + 1, Number(digits) - 1]) {
      if (next >= 0)
        offer(pattern.slice(0, index + 1) + String(next) + pattern.slice(index + 1 + digits.length), flags, 0.3);
    }
  }
  return edits;
};

function isRegex(pattern: string, flags: string): boolean {
  try {
    return new RegExp(pattern, flags) instanceof RegExp;
  } catch {
    return false;
  }
}
