import {
  type AnyNode,
  type ArrowFunctionExpression,
  type FunctionDeclaration,
  type FunctionExpression,
  type Program,
  parse,
} from "acorn";
import { fullAncestor } from "acorn-walk";

export type { AnyNode } from "acorn";

export type ParsedSource =
  | { readonly ok: true; readonly program: Program }
  | { readonly ok: false; readonly reason: string };

/** Parses a module or, where it is none, a script. */
export function parseSource(source: string): ParsedSource {
  const options = { ecmaVersion: "latest", allowHashBang: true, allowReturnOutsideFunction: true } as const;
  try {
    return { ok: true, program: parse(source, { ...options, sourceType: "module" }) };
  } catch (moduleError) {
    try {
      return { ok: true, program: parse(source, { ...options, sourceType: "script" }) };
    } catch {
      return { ok: false, reason: (moduleError as Error).message };
    }
  }
}

/** One node with everything around it, from the program inwards, the node itself not included. */
export interface Site {
  readonly node: AnyNode;
  readonly parent: AnyNode | undefined;
  readonly ancestors: readonly AnyNode[];
  readonly source: string;
}

/** Every node of the program, outer ones after inner ones. */
export function listSites(program: Program, source: string): Site[] {
  const sites: Site[] = [];
  const seen = new Set<AnyNode>();
  fullAncestor(program, (node, _state, path) => {
    const current = node;
    if (seen.has(current)) return;
    seen.add(current);
    const ancestors = path.filter((ancestor) => ancestor !== current);
    sites.push({ node: current, parent: ancestors.at(-1), ancestors, source });
  });
  return sites;
}

export type FunctionNode = FunctionDeclaration | FunctionExpression | ArrowFunctionExpression;

export function isFunction(node: AnyNode | undefined): node is FunctionNode {
  return (
    node?.type === "FunctionDeclaration" ||
    node?.type === "FunctionExpression" ||
    node?.type === "ArrowFunctionExpression"
  );
}

export function enclosingFunction(site: Site): FunctionNode | undefined {
  return site.ancestors.findLast(isFunction);
}

export function textOf(source: string, node: { start: number; end: number }): string {
  return source.slice(node.start, node.end);
}

/** Where the operator between two operands stands. */
export function operatorRange(
  source: string,
  left: { end: number },
  right: { start: number },
  operator: string,
): { start: number; end: number } {
  const start = source.indexOf(operator, left.end);
  return start < 0 || start >= right.start
    ? { start: left.end, end: left.end }
    : { start, end: start + operator.length };
}

/** The names that a binding pattern declares. */
export function boundNames(pattern: AnyNode | null | undefined): string[] {
  switch (pattern?.type) {
    case "Identifier":
      return [pattern.name];
    case "AssignmentPattern":
      return boundNames(pattern.left);
    case "RestElement":
      return boundNames(pattern.argument);
    case "ArrayPattern":
      return pattern.elements.flatMap((element) => boundNames(element as AnyNode | null));
    case "ObjectPattern":
      return pattern.properties.flatMap((property) =>
        boundNames((property.type === "RestElement" ? property.argument : property.value) as AnyNode),
      );
    default:
      return [];
  }
}
