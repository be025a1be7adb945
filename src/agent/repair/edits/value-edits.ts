import { propose, type EditRule } from "./edit-rule.ts";
import type { EditProposal } from "./edit.ts";
import { asOperand } from "./edit-rule.ts";
import { isRequired } from "./source-facts.ts";
import { type AnyNode, textOf } from "./syntax-tree.ts";

/** Wrong numbers, booleans and texts. */
export const literalEdits: EditRule = ({ node, parent, source }, facts) => {
  if (node.type !== "Literal" || parent?.type === "ImportDeclaration" || parent?.type === "ExportNamedDeclaration")
    return [];
  if (typeof node.value === "number") return numberEdits(node, node.value, parent, facts.numbers);
  if (typeof node.value === "boolean") return [propose(node, String(!node.value), "negation", 0.6)];
  if (node.value === null && !node.raw?.startsWith("/")) return [propose(node, "undefined", "text", 0.12)];
  if (typeof node.value !== "string" || parent?.type === "ExpressionStatement" || isRequired(parent)) return [];
  return stringEdits(node as AnyNode & { value: string }, source, facts.strings);
};

function stringEdits(node: AnyNode & { value: string }, source: string, strings: ReadonlySet<string>): EditProposal[] {
  const quote = textOf(source, node)[0] === "'" ? "'" : '"';
  const text = (value: string): string =>
    quote + JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll(quote, `\\${quote}`) + quote;
  const edits: EditProposal[] = [];
  if (node.value === "") edits.push(propose(node, text(" "), "text", 0.25));
  if (node.value === " ") edits.push(propose(node, text(""), "text", 0.3));
  if (/^\S$/.test(node.value)) edits.push(propose(node, text(`${node.value} `), "text", 0.2));
  if (/^\S $/.test(node.value)) edits.push(propose(node, text(node.value.trim()), "text", 0.2));
  const digits = /\d+/.exec(node.value);
  if (digits && node.value.length <= 24) {
    const around = (number: number): string =>
      text(`${node.value.slice(0, digits.index)}${number}${node.value.slice(digits.index + digits[0].length)}`);
    const number = Number(digits[0]);
    for (const [other, prior] of [
      [number + 1, 0.4],
      [number - 1, 0.3],
      [number * 10, 0.25],
      [number * 2, 0.1],
    ] as const) {
      if (other >= 0 && other !== number) edits.push(propose(node, around(other), "text", prior));
    }
  }
  const others = [...strings].filter((other) => other !== node.value && isAlike(other, node.value));
  for (const other of others.slice(0, 3)) edits.push(propose(node, text(other), "text", 0.2));
  return edits;
}

function isAlike(one: string, other: string): boolean {
  const shape = (value: string): string => (/^\w+$/.test(value) ? "word" : value.length <= 2 ? "mark" : "other");
  return shape(one) === shape(other);
}

function numberEdits(
  node: AnyNode,
  value: number,
  parent: AnyNode | undefined,
  others: ReadonlySet<number>,
): EditProposal[] {
  // `x + 1` and `x - 1` without the 1 are boundary edits; here the number itself is in doubt.
  const isIndex = parent?.type === "MemberExpression" && parent.computed;
  const near = isIndex || Math.abs(value) <= 2 ? 0.5 : 0.4;
  const candidates: [number, number][] = [
    [value + 1, near],
    [value - 1, value === 0 ? near * 0.7 : near],
    [value * 10, value >= 10 ? 0.3 : 0.08],
    [value / 10, value >= 10 ? 0.3 : 0.05],
    [value * 100, value >= 10 ? 0.1 : 0.04],
    [value / 100, value >= 100 ? 0.12 : 0],
    [value * 60, value >= 10 ? 0.1 : 0.02],
    [value * 2, value > 2 ? 0.12 : 0.05],
    [value / 2, value > 2 && value % 2 === 0 ? 0.12 : 0],
    [-value, value === 0 ? 0 : 0.2],
    [value === 1000 ? 1024 : value === 1024 ? 1000 : value, value === 1000 || value === 1024 ? 0.3 : 0],
  ];
  for (const other of [...others].filter((number) => number > 2).slice(0, 6)) candidates.push([other, 0.12]);
  const best = new Map<number, number>();
  for (const [number, prior] of candidates) {
    if (number !== value && prior > 0 && !(number < 0 && isIndex))
      best.set(number, Math.max(prior, best.get(number) ?? 0));
  }
  const digits = (number: number): string =>
    Number.isInteger(number) ? String(number) : String(Number(number.toPrecision(12)));
  return [...best].map(([number, prior]) =>
    propose(node, number < 0 ? `(${digits(number)})` : digits(number), "number", prior),
  );
}

/** How positions, bounds and counts are called. */
const POSITION_NAME =
  /(^|[.#]|[a-z](?=[A-Z]))(i|j|k|n|m|x|y|idx|index|pos|position|start|end|left|right|low|high|lo|hi|mid|from|to|offset|length|len|size|count|limit|row|col|column|line|width|height|depth|level|max|min|cursor|head|tail|step|page)$/i;

/** One too few or one too many, where no literal stands to be changed. */
export const boundaryEdits: EditRule = ({ node, parent, source }) => {
  if (node.type === "BinaryExpression" && /^[+-]$/.test(node.operator)) {
    const isOne = (operand: AnyNode): boolean => operand.type === "Literal" && operand.value === 1;
    if (isOne(node.right)) return [propose(node, textOf(source, node.left), "boundary", 0.6)];
    return [];
  }
  if (node.type !== "Identifier" && node.type !== "MemberExpression") return [];
  const prior = boundaryPrior(node, parent, source);
  if (prior === 0) return [];
  const text = textOf(source, node);
  const weight = POSITION_NAME.test(text) ? prior : prior * 0.2;
  return [propose(node, `${text} - 1`, "boundary", weight), propose(node, `${text} + 1`, "boundary", weight * 0.9)];
};

/** How common it is that this place is off by one: bounds of loops, indexes, arguments of slice. */
function boundaryPrior(node: AnyNode, parent: AnyNode | undefined, source: string): number {
  const isLength = node.type === "MemberExpression" && !node.computed && textOf(source, node.property) === "length";
  switch (parent?.type) {
    case "BinaryExpression":
      return /^(<|<=|>|>=)$/.test(parent.operator) ? (isLength ? 0.4 : 0.25) : isLength ? 0.15 : 0;
    case "MemberExpression":
      return parent.computed && parent.property === node ? 0.35 : 0;
    case "VariableDeclarator":
      return parent.init === node && isLength ? 0.5 : 0;
    case "CallExpression": {
      if (!(parent.arguments as AnyNode[]).includes(node)) return 0;
      const name = parent.callee.type === "MemberExpression" ? textOf(source, parent.callee.property) : "";
      return /^(slice|splice|substring|substr|charAt|charCodeAt|at|fill|subarray)$/.test(name) ? 0.45 : 0.03;
    }
    case "ReturnStatement":
      return isLength ? 0.25 : 0.06;
    default:
      return 0;
  }
}

/** A value that is missing, or shared where it should be a copy. */
export const defaultEdits: EditRule = ({ node, parent, source }) => {
  const text = textOf(source, node);
  if (isFunctionParameter(node, parent) && node.type === "Identifier") {
    return ["0", "''", "[]", "{}", "1"].map((value) => propose(node, `${text} = ${value}`, "default", 0.04));
  }
  if (node.type === "BinaryExpression" && /^[+*-]$/.test(node.operator)) {
    return [node.left, node.right].flatMap((operand) => {
      const isLookup =
        (operand.type === "MemberExpression" && operand.computed) ||
        (operand.type === "CallExpression" && /\.get\([^)]*\)$/.test(textOf(source, operand)));
      return isLookup ? [propose(operand, `(${textOf(source, operand)} ?? 0)`, "default", 0.35)] : [];
    });
  }
  if (
    node.type === "MemberExpression" &&
    !node.optional &&
    node.object.type !== "ThisExpression" &&
    node.object.type !== "Super"
  ) {
    const isTarget = parent?.type === "AssignmentExpression" && parent.left === node;
    const dot = node.computed ? source.indexOf("[", node.object.end) : source.indexOf(".", node.object.end);
    if (isTarget || parent?.type === "UpdateExpression" || dot < 0) return [];
    return [
      propose(
        { start: dot, end: dot },
        node.computed ? "?." : "?",
        "guard",
        0.06,
        `add ?. after ${textOf(source, node.object).slice(0, 30)}`,
      ),
    ];
  }
  return [];
};

function isFunctionParameter(node: AnyNode, parent: AnyNode | undefined): boolean {
  return parent !== undefined && "params" in parent && (parent.params as AnyNode[]).includes(node);
}

/** Work on the caller's own array or object where a copy was meant. */
export const copyEdits: EditRule = ({ node, parent, source }) => {
  if (node.type === "CallExpression" && node.callee.type === "MemberExpression") {
    const { object } = node.callee;
    const method = textOf(source, node.callee.property);
    const edits: EditProposal[] = [];
    if (
      /^(sort|reverse|splice|push|fill)$/.test(method) &&
      /^(Identifier|MemberExpression)$/.test(object.type) &&
      parent?.type !== "ExpressionStatement"
    ) {
      edits.push(propose(object, `[...${textOf(source, object)}]`, "copy", 0.3));
    }
    if (
      textOf(source, node.callee) === "Object.assign" &&
      node.arguments[0] &&
      node.arguments[0].type !== "ObjectExpression"
    ) {
      edits.push(
        propose(
          { start: node.arguments[0].start, end: node.arguments[0].start },
          "{}, ",
          "copy",
          0.4,
          "copy into a new object",
        ),
      );
    }
    return edits;
  }
  const isReturned = parent?.type === "ReturnStatement" && parent.argument === node;
  const isInitial = parent?.type === "VariableDeclarator" && parent.init === node;
  const isStored = parent?.type === "AssignmentExpression" && parent.operator === "=" && parent.right === node;
  if ((isReturned || isInitial || isStored) && /^(Identifier|MemberExpression)$/.test(node.type)) {
    const operand = asOperand(node, textOf(source, node));
    return [propose(node, `[...${operand}]`, "copy", 0.1), propose(node, `{ ...${operand} }`, "copy", 0.09)];
  }
  if (node.type === "ObjectExpression") {
    return node.properties.flatMap((property, index) => {
      const next = node.properties[index + 1];
      if (!next || (property.type !== "SpreadElement" && next.type !== "SpreadElement")) return [];
      const range = { start: property.start, end: next.end };
      return [
        propose(
          range,
          `${textOf(source, next)}${source.slice(property.end, next.start)}${textOf(source, property)}`,
          "swap",
          0.5,
        ),
      ];
    });
  }
  return [];
};
