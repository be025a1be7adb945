import { propose, type EditRule } from "./edit-rule.ts";
import { propertyGroup } from "./source-facts.ts";
import { type AnyNode, enclosingFunction, type Site, textOf } from "./syntax-tree.ts";

/** Another local variable or parameter than the one that is written. */
export const variableEdits: EditRule = (site, facts) => {
  const { node, parent } = site;
  if (node.type !== "Identifier" || !isReference(node, parent) || !enclosingFunction(site)) return [];
  const locals = facts.localsAt(node.start).filter((name) => name !== node.name);
  // A call's own name is rarely the mistake, and what is bound at the top level has no twin among the locals.
  const isCallee = (parent?.type === "CallExpression" || parent?.type === "NewExpression") && parent.callee === node;
  if (isCallee) return [];
  const isShorthand = parent?.type === "Property" && parent.shorthand;
  const prior = (facts.localsAt(node.start).includes(node.name) ? 0.22 : 0.1) * (isShorthand ? 0.2 : 1);
  return locals
    .map((name) => ({ name, prior: prior * (isSimilar(name, node.name) ? 1.8 : 1) }))
    .toSorted((one, other) => other.prior - one.prior)
    .slice(0, 5)
    .map(({ name, prior: weight }) => propose(node, isShorthand ? `${node.name}: ${name}` : name, "variable", weight));
};

function isReference(node: AnyNode, parent: AnyNode | undefined): boolean {
  switch (parent?.type) {
    case undefined:
    case "VariableDeclarator":
      return parent?.type === "VariableDeclarator" && parent.init === node;
    case "FunctionDeclaration":
    case "FunctionExpression":
    case "ImportSpecifier":
    case "ImportDefaultSpecifier":
    case "ImportNamespaceSpecifier":
    case "ExportSpecifier":
    case "ArrayPattern":
    case "ObjectPattern":
    case "RestElement":
    case "CatchClause":
    case "ClassDeclaration":
    case "LabeledStatement":
    case "BreakStatement":
    case "ContinueStatement":
      return false;
    case "ArrowFunctionExpression":
      return parent.body === node;
    case "AssignmentPattern":
      return parent.right === node;
    case "UpdateExpression":
      return false;
    default:
      return true;
  }
}

/** Another property than the one that is written, among those that the file knows. */
export const propertyEdits: EditRule = ({ node, parent, source }, facts) => {
  if (node.type !== "MemberExpression" || node.computed || node.property.type !== "Identifier") return [];
  const { name } = node.property;
  const isCalled = parent?.type === "CallExpression" && parent.callee === node;
  const siblings = facts.properties.get(propertyGroup(textOf(source, node.object), isCalled)) ?? new Set<string>();
  const near = [...siblings]
    .filter((other) => other !== name)
    .map((other) => ({ other, prior: isSimilar(other, name) ? 0.45 : 0.18 }));
  const known = [...(isCalled ? [] : facts.allProperties)]
    .filter((other) => other !== name && !siblings.has(other) && isSimilar(other, name))
    .map((other) => ({ other, prior: 0.35 }));
  // A property that is used once in the whole file is the likelier slip of the pen.
  return [...near, ...known]
    .toSorted((one, other) => other.prior - one.prior)
    .slice(0, 5)
    .map(({ other, prior }) => propose(node.property, other, "name", prior));
};

/** True for names that a person could take for one another: one begins or ends with the other, or two letters differ. */
export function isSimilar(one: string, other: string): boolean {
  const [short, long] =
    one.length <= other.length ? [one.toLowerCase(), other.toLowerCase()] : [other.toLowerCase(), one.toLowerCase()];
  if (short.length >= 3 && (long.startsWith(short) || long.endsWith(short))) return true;
  if (long.length - short.length > 2 || short.length < 3) return false;
  return editDistance(short, long) <= 2;
}

function editDistance(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const same = one[row - 1] === other[column - 1] ? 0 : 1;
      current.push(
        Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, (previous[column - 1] ?? 0) + same),
      );
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}

/** The functions around a site, for rules that need to know whether `await` may stand there. */
export function isInsideAsync(site: Site): boolean {
  return enclosingFunction(site)?.async ?? false;
}
