import { propose, type EditRule } from "./edit-rule.ts";
import type { EditProposal } from "./edit.ts";
import { isInsideAsync } from "./name-edits.ts";
import { type AnyNode, boundNames, enclosingFunction, isFunction, textOf } from "./syntax-tree.ts";

/** `await` that is missing, or that is one too many. */
export const awaitEdits: EditRule = (site, facts) => {
  const { node, parent, source } = site;
  if (node.type === "AwaitExpression")
    return [propose(node, textOf(source, node.argument), "await", 0.05, "drop await")];
  if (node.type === "ForOfStatement" && !node.await && isInsideAsync(site)) {
    return [propose({ start: node.start + 3, end: node.start + 3 }, " await", "await", 0.25, "for await")];
  }
  if (node.type !== "CallExpression" || parent?.type === "AwaitExpression") return [];
  const callback = node.arguments[0] as AnyNode | undefined;
  const method = node.callee.type === "MemberExpression" ? textOf(source, node.callee.property) : "";
  const text = textOf(source, node);
  if (
    method === "map" &&
    isFunction(callback) &&
    callback.async &&
    !parentCallee(parent, source).startsWith("Promise.")
  ) {
    const all = `Promise.all(${text})`;
    return [propose(node, isInsideAsync(site) ? `await ${all}` : all, "await", 0.7, "wait for all of them")];
  }
  if (!isInsideAsync(site)) return [];
  const name = node.callee.type === "Identifier" ? node.callee.name : method;
  const isKnown =
    facts.asyncNames.has(name) ||
    (node.callee.type === "MemberExpression" && textOf(source, node.callee.object) === "Promise");
  // `return f()` inside `try` leaves the block before `f` has failed: its `catch` never hears of it.
  const leavesTry = parent?.type === "ReturnStatement" && isInTryBlock(site.ancestors);
  const needsBrackets = parent?.type === "MemberExpression" && parent.object === node;
  return [
    propose(
      node,
      needsBrackets ? `(await ${text})` : `await ${text}`,
      "await",
      isKnown || leavesTry ? 0.85 : 0.2,
      `await ${text.slice(0, 40)}`,
    ),
  ];
};

function isInTryBlock(ancestors: readonly AnyNode[]): boolean {
  const inner = ancestors.slice(ancestors.findLastIndex(isFunction) + 1);
  return inner.some((ancestor, index) => ancestor.type === "TryStatement" && inner[index + 1] === ancestor.block);
}

function parentCallee(parent: AnyNode | undefined, source: string): string {
  return parent?.type === "CallExpression" ? textOf(source, parent.callee) : "";
}

/** How results and accumulators are called. */
const RESULT_NAME =
  /^(acc|accumulator|result|results|out|output|list|map|summary|total|totals|sum|memo|copy|next|group|groups|counts?|state)$/i;

/** A result that is computed and not returned. */
export const returnEdits: EditRule = (site) => {
  const { node, parent, source } = site;
  if (node.type === "ExpressionStatement") {
    if (node.expression.type === "NewExpression" && textOf(source, node.expression.callee).endsWith("Error")) {
      return [propose({ start: node.start, end: node.start }, "throw ", "throw", 0.9, "add throw")];
    }
    const block = parent?.type === "BlockStatement" ? parent : undefined;
    const isLast = block?.body.at(-1) === node || parent?.type === "IfStatement";
    if (!isLast || /^(AssignmentExpression|UpdateExpression)$/.test(node.expression.type)) return [];
    const isBody = isFunction(site.ancestors.at(-2));
    const prior = (isBody ? 0.5 : 0.35) * (node.expression.type === "CallExpression" ? 0.8 : 1.2);
    return [
      propose(
        { start: node.start, end: node.start },
        "return ",
        "return",
        prior,
        `return ${textOf(source, node.expression).slice(0, 40)}`,
      ),
    ];
  }
  const method = site.ancestors.at(-2);
  const canReturn = method?.type !== "MethodDefinition" || /^(method|get)$/.test(method.kind);
  if (node.type === "BlockStatement" && isFunction(parent) && canReturn && !hasOwnReturn(node.body)) {
    const names = [
      ...node.body.flatMap((statement) =>
        statement.type === "VariableDeclaration"
          ? statement.declarations.flatMap((one) => boundNames(one.id as AnyNode))
          : [],
      ),
      ...parent.params.slice(0, 1).flatMap((param) => boundNames(param as AnyNode)),
      ...(method?.type === "MethodDefinition" ? ["this"] : []),
    ];
    // The callback of `reduce` that does not hand on what it has gathered.
    const call = site.ancestors.at(-2);
    const isFold =
      call?.type === "CallExpression" &&
      call.callee.type === "MemberExpression" &&
      textOf(source, call.callee.property) === "reduce";
    const first = boundNames(parent.params[0])[0];
    const at = { start: node.end - 1, end: node.end - 1 };
    return [...new Set([...(isFold && first !== undefined ? [first] : []), ...names])]
      .slice(0, 3)
      .map((name) =>
        propose(
          at,
          `return ${name};\n`,
          "return",
          isFold && name === first ? 0.7 : RESULT_NAME.test(name) ? 0.4 : 0.1,
          `return ${name} at the end`,
        ),
      );
  }
  if (node.type === "ReturnStatement" && node.argument) {
    const edits: EditProposal[] = [];
    if (node.argument.type === "NewExpression" && textOf(source, node.argument.callee).endsWith("Error")) {
      edits.push(propose({ start: node.start, end: node.start + 6 }, "throw", "throw", 0.6));
    }
    const isInLoop = site.ancestors
      .slice(site.ancestors.findLastIndex(isFunction) + 1)
      .some((ancestor) => /^(For|While|DoWhile)/.test(ancestor.type));
    if (isInLoop) edits.push(propose(node, "continue;", "control", 0.15));
    return edits;
  }
  return [];
};

function hasOwnReturn(statements: readonly AnyNode[]): boolean {
  return statements.some((statement) => {
    if (statement.type === "ReturnStatement") return statement.argument != null;
    if (statement.type === "IfStatement")
      return statement.alternate != null && hasOwnReturn([statement.consequent]) && hasOwnReturn([statement.alternate]);
    if (statement.type === "BlockStatement") return hasOwnReturn(statement.body);
    if (statement.type === "TryStatement") return hasOwnReturn([statement.block]);
    return statement.type === "ThrowStatement" || statement.type === "SwitchStatement";
  });
}

/** Loops and branches that are left at the wrong moment, and statements that should not be there. */
export const controlEdits: EditRule = (site) => {
  const { node, parent, source } = site;
  switch (node.type) {
    case "BreakStatement":
      return node.label || parent?.type === "SwitchCase" ? [] : [propose(node, "continue;", "control", 0.5)];
    case "ContinueStatement":
      return node.label ? [] : [propose(node, "break;", "control", 0.5)];
    case "SwitchCase": {
      const isLast = parent?.type === "SwitchStatement" && parent.cases.at(-1) === node;
      const end = node.consequent.at(-1);
      if (isLast || !end || /^(Break|Return|Throw|Continue)Statement$/.test(end.type)) return [];
      return [propose({ start: end.end, end: end.end }, " break;", "control", 0.8, "add break")];
    }
    case "ForInStatement":
    case "ForOfStatement": {
      const word = node.type === "ForInStatement" ? "in" : "of";
      const at = source.indexOf(` ${word} `, node.left.end);
      return at < 0 || at > node.right.start
        ? []
        : [propose({ start: at + 1, end: at + 3 }, word === "in" ? "of" : "in", "control", 0.3)];
    }
    case "IfStatement":
      return node.alternate || !enclosingFunction(site) || /Function|IfStatement/.test(parent?.type ?? "")
        ? []
        : [propose(node, "", "removal", 0.15, `remove if (${textOf(source, node.test).slice(0, 30)}) …`)];
    case "ExpressionStatement":
      return !enclosingFunction(site) || parent?.type !== "BlockStatement"
        ? []
        : [propose(node, "", "removal", 0.12, `remove ${textOf(source, node).slice(0, 40)}`)];
    default:
      return [];
  }
};
