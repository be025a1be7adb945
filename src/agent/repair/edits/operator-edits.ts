import { asOperand, propose, type EditRule } from "./edit-rule.ts";
import type { EditKind } from "./edit.ts";
import { operatorRange, textOf } from "./syntax-tree.ts";

type Replacements = Readonly<Record<string, readonly (readonly [operator: string, kind: EditKind, prior: number])[]>>;

/** For each operator, what it is written for by mistake. */
const BINARY: Replacements = {
  "<": [
    ["<=", "comparison", 1],
    [">", "comparison", 0.6],
    [">=", "comparison", 0.35],
  ],
  "<=": [
    ["<", "comparison", 1],
    [">=", "comparison", 0.55],
    [">", "comparison", 0.3],
  ],
  ">": [
    [">=", "comparison", 1],
    ["<", "comparison", 0.6],
    ["<=", "comparison", 0.35],
  ],
  ">=": [
    [">", "comparison", 1],
    ["<=", "comparison", 0.55],
    ["<", "comparison", 0.3],
  ],
  "===": [
    ["!==", "comparison", 0.7],
    ["<=", "comparison", 0.15],
    [">=", "comparison", 0.2],
    ["==", "comparison", 0.12],
  ],
  "!==": [
    ["===", "comparison", 0.7],
    ["!=", "comparison", 0.12],
  ],
  "==": [
    ["!=", "comparison", 0.6],
    ["===", "comparison", 0.4],
  ],
  "!=": [
    ["==", "comparison", 0.6],
    ["!==", "comparison", 0.4],
  ],
  "+": [
    ["-", "arithmetic", 0.7],
    ["*", "arithmetic", 0.35],
  ],
  "-": [
    ["+", "arithmetic", 0.75],
    ["/", "arithmetic", 0.15],
  ],
  "*": [
    ["/", "arithmetic", 0.55],
    ["+", "arithmetic", 0.35],
    ["**", "arithmetic", 0.2],
  ],
  "/": [
    ["*", "arithmetic", 0.55],
    ["%", "arithmetic", 0.25],
    ["-", "arithmetic", 0.15],
  ],
  "%": [["/", "arithmetic", 0.3]],
  "**": [["*", "arithmetic", 0.5]],
  "<<": [[">>", "arithmetic", 0.4]],
  ">>": [
    [">>>", "arithmetic", 0.4],
    ["<<", "arithmetic", 0.4],
  ],
  ">>>": [[">>", "arithmetic", 0.3]],
  "&": [
    ["|", "arithmetic", 0.4],
    ["&&", "logic", 0.3],
  ],
  "|": [
    ["&", "arithmetic", 0.4],
    ["||", "logic", 0.3],
  ],
};

const LOGICAL: Replacements = {
  "&&": [["||", "logic", 0.85]],
  "||": [
    ["&&", "logic", 0.8],
    ["??", "default", 0.7],
  ],
  "??": [
    ["||", "default", 0.5],
    ["&&", "logic", 0.15],
  ],
};

const ASSIGNMENT: Replacements = {
  "=": [
    ["+=", "arithmetic", 0.35],
    ["??=", "default", 0.1],
  ],
  "+=": [
    ["-=", "arithmetic", 0.6],
    ["=", "arithmetic", 0.4],
  ],
  "-=": [
    ["+=", "arithmetic", 0.6],
    ["=", "arithmetic", 0.3],
  ],
  "*=": [["/=", "arithmetic", 0.5]],
  "/=": [["*=", "arithmetic", 0.5]],
  "||=": [["??=", "default", 0.6]],
  "??=": [["||=", "default", 0.4]],
};

/** Another operator in the place of the one that is written. */
export const operatorEdits: EditRule = ({ node, parent, source }) => {
  if (node.type === "BinaryExpression" || node.type === "LogicalExpression") {
    const table = node.type === "BinaryExpression" ? BINARY : LOGICAL;
    const range = operatorRange(source, node.left, node.right, node.operator);
    return (table[node.operator] ?? []).map(([operator, kind, prior]) => propose(range, operator, kind, prior));
  }
  if (node.type === "AssignmentExpression") {
    const range = operatorRange(source, node.left, node.right, node.operator);
    return (ASSIGNMENT[node.operator] ?? []).map(([operator, kind, prior]) => propose(range, operator, kind, prior));
  }
  if (node.type === "UpdateExpression") {
    const argument = textOf(source, node.argument);
    const opposite = node.operator === "++" ? "--" : "++";
    const opposed = propose(node, node.prefix ? opposite + argument : argument + opposite, "arithmetic", 0.4);
    const isValueUnused =
      parent?.type === "ExpressionStatement" || (parent?.type === "ForStatement" && parent.update === node);
    if (isValueUnused) return [opposed];
    return [
      opposed,
      propose(node, node.prefix ? argument + node.operator : node.operator + argument, "boundary", 0.45),
    ];
  }
  if (node.type === "UnaryExpression" && node.operator === "-" && node.argument.type !== "Literal") {
    return [propose(node, textOf(source, node.argument), "arithmetic", 0.4)];
  }
  return [];
};

/** The same operands in another order or grouping. */
export const operandEdits: EditRule = ({ node, source }) => {
  if (node.type !== "BinaryExpression" || node.left.type === "PrivateIdentifier") return [];
  const { left, right, operator } = node;
  const between = source.slice(left.end, right.start);
  const swapped = `${textOf(source, right)}${between}${textOf(source, left)}`;
  const edits = [];
  if (operator === "-" || operator === "/" || operator === "%")
    edits.push(propose(node, swapped, "swap", operator === "-" ? 0.55 : 0.35));
  if (
    (operator === "+" || operator === "-") &&
    right.type === "BinaryExpression" &&
    /^[*/]$/.test(right.operator) &&
    !between.includes("(")
  ) {
    const inner = source.slice(right.left.end, right.start + (right.end - right.start));
    edits.push(
      propose(node, `(${textOf(source, left)}${between}${textOf(source, right.left)})${inner}`, "arithmetic", 0.4),
    );
  }
  if ((operator === "*" || operator === "/") && left.type === "BinaryExpression" && /^[+-]$/.test(left.operator)) {
    edits.push(
      propose(
        node,
        `${textOf(source, left)} ${operator} ${asOperand(right, textOf(source, right))}`,
        "arithmetic",
        0.25,
      ),
    );
  }
  if (operator === "/") {
    edits.push(
      propose(node, `Math.floor(${textOf(source, node)})`, "arithmetic", 0.25),
      propose(node, `Math.ceil(${textOf(source, node)})`, "arithmetic", 0.2),
    );
  }
  if (operator === "%") {
    const divisor = asOperand(right, textOf(source, right));
    edits.push(propose(node, `((${textOf(source, node)}) + ${divisor}) % ${divisor}`, "arithmetic", 0.25));
  }
  return edits;
};
