import { asOperand, propose, type EditRule } from "./edit-rule.ts";
import { textOf } from "./syntax-tree.ts";

/** Conditions that are negated where they should not be, or the other way round; branches the wrong way round. */
export const conditionEdits: EditRule = ({ node, parent, source }) => {
  if (node.type === "UnaryExpression" && node.operator === "!") {
    return [propose(node, textOf(source, node.argument), "negation", 0.75)];
  }
  if (node.type === "ConditionalExpression") {
    const { test, consequent, alternate } = node;
    const swapped = `${source.slice(node.start, consequent.start)}${textOf(source, alternate)}${source.slice(consequent.end, alternate.start)}${textOf(source, consequent)}`;
    const edits = [propose(node, swapped, "negation", 0.5)];
    return isPlainCondition(test.type)
      ? [...edits, propose(test, `!${asOperand(test, textOf(source, test))}`, "negation", 0.3)]
      : edits;
  }
  if (node.type === "IfStatement" || node.type === "WhileStatement") {
    const text = textOf(source, node.test);
    const edits = [];
    if (isPlainCondition(node.test.type))
      edits.push(propose(node.test, `!${asOperand(node.test, text)}`, "negation", 0.6));
    if (node.test.type === "LogicalExpression") edits.push(propose(node.test, `!(${text})`, "negation", 0.35));
    if (node.type === "IfStatement") {
      edits.push(propose(node.test, "true", "removal", 0.08), propose(node.test, "false", "removal", 0.1));
    }
    return edits;
  }
  if (node.type === "LogicalExpression" && node.operator !== "??") {
    return [
      propose(node, textOf(source, node.left), "logic", 0.3),
      propose(node, textOf(source, node.right), "logic", 0.3),
      ...(isPlainCondition(node.left.type)
        ? [propose(node.left, `!${asOperand(node.left, textOf(source, node.left))}`, "negation", 0.3)]
        : []),
      ...(isPlainCondition(node.right.type)
        ? [propose(node.right, `!${asOperand(node.right, textOf(source, node.right))}`, "negation", 0.3)]
        : []),
    ];
  }
  // What a function of one expression returns, where it is a call: a predicate (`(x) => seen.has(x)`).
  const isPredicate =
    (parent?.type === "ArrowFunctionExpression" && parent.body === node) ||
    (parent?.type === "ReturnStatement" && parent.argument === node);
  if (!isPredicate || !isPlainCondition(node.type)) return [];
  const text = textOf(source, node);
  return [propose(node, `!${text}`, "negation", PREDICATE_NAME.test(text) ? 0.45 : 0.06)];
};

const PREDICATE_NAME = /(^|\.)(is|has|can|should|are|was)(?![a-z])|\.(includes|some|every|test|startsWith|endsWith)\(/;

/** Comparisons are negated by another operator, which reads better; logical ones by De Morgan's parts. */
function isPlainCondition(type: string): boolean {
  return type === "Identifier" || type === "CallExpression" || type === "MemberExpression";
}
