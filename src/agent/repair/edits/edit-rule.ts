import type { EditKind, EditProposal } from "./edit.ts";
import type { SourceFacts } from "./source-facts.ts";
import type { AnyNode, Site } from "./syntax-tree.ts";

/** Proposes edits of one node. Rules know nothing of tests: what is suspicious is decided elsewhere. */
export type EditRule = (site: Site, facts: SourceFacts) => EditProposal[];

/** Replaces a range by a text. */
export function propose(
  range: { readonly start: number; readonly end: number },
  text: string,
  kind: EditKind,
  prior: number,
  label?: string,
): EditProposal {
  return { start: range.start, end: range.end, text, kind, prior, ...(label === undefined ? {} : { label }) };
}

/** Puts parentheses around what would otherwise be torn apart by an operator beside it. */
export function asOperand(node: AnyNode, text: string): string {
  const simple =
    /^(Identifier|Literal|MemberExpression|CallExpression|ThisExpression|TemplateLiteral|ArrayExpression|ParenthesizedExpression)$/;
  return simple.test(node.type) ? text : `(${text})`;
}
