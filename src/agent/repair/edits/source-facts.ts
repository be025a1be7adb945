import type { AnyNode, Site } from "./syntax-tree.ts";
import { boundNames, isFunction } from "./syntax-tree.ts";

interface Binding {
  readonly name: string;
  /** From where on the name can be used. */
  readonly from: number;
  /** The scope that it is bound in. */
  readonly scope: { readonly start: number; readonly end: number };
}

/** What one source file says about its own names: the material that plausible replacements are taken from. */
export interface SourceFacts {
  /** Functions and methods that are `async`, here or in another file of the package. */
  readonly asyncNames: ReadonlySet<string>;
  /** Parameter names by function or method name. */
  readonly parameters: ReadonlyMap<string, readonly string[]>;
  /** Property names by {@link propertyGroup}. */
  readonly properties: ReadonlyMap<string, ReadonlySet<string>>;
  readonly allProperties: ReadonlySet<string>;
  readonly strings: ReadonlySet<string>;
  readonly numbers: ReadonlySet<number>;
  /** Parameters and local variables that can be named at `offset`; nearest first; not what is declared at the top level. */
  localsAt(offset: number): readonly string[];
}

/** Reads the facts of one file; `elsewhere` are those of the package's other files. */
export function readSourceFacts(sites: readonly Site[], elsewhere: readonly SourceFacts[] = []): SourceFacts {
  const asyncNames = new Set(elsewhere.flatMap((facts) => [...facts.asyncNames]));
  const parameters = new Map(elsewhere.flatMap((facts) => [...facts.parameters]));
  const properties = new Map<string, Set<string>>();
  const allProperties = new Set<string>();
  const strings = new Set<string>();
  const numbers = new Set<number>();
  const bindings: Binding[] = [];
  for (const site of sites) {
    const { node, source, parent } = site;
    if (isFunction(node)) {
      const names = node.params.map((param) => boundNames(param as AnyNode)[0] ?? "");
      for (const name of node.params.flatMap((param) => boundNames(param as AnyNode))) {
        bindings.push({ name, from: node.start, scope: node });
      }
      const name = nameOfFunction(node, parent);
      if (name !== undefined) {
        parameters.set(name, names);
        if (node.async) asyncNames.add(name);
      }
    } else if (node.type === "VariableDeclarator") {
      const scope = site.ancestors.findLast((ancestor) =>
        /^(BlockStatement|For|StaticBlock|Program)/.test(ancestor.type),
      );
      if (scope && scope.type !== "Program") {
        for (const name of boundNames(node.id)) bindings.push({ name, from: node.end, scope });
      }
    } else if (node.type === "MemberExpression" && !node.computed && node.property.type === "Identifier") {
      const isCalled = parent?.type === "CallExpression" && parent.callee === node;
      const group = propertyGroup(source.slice(node.object.start, node.object.end), isCalled);
      if (!isCalled) allProperties.add(node.property.name);
      properties.set(group, (properties.get(group) ?? new Set()).add(node.property.name));
    } else if (node.type === "Property" && !node.computed && node.key.type === "Identifier") {
      allProperties.add(node.key.name);
    } else if (node.type === "Literal") {
      const isName =
        parent?.type === "ExpressionStatement" || parent?.type === "ImportDeclaration" || isRequired(parent);
      if (typeof node.value === "string" && node.value.length <= 24 && !isName) strings.add(node.value);
      if (typeof node.value === "number") numbers.add(node.value);
    }
  }
  bindings.sort((one, other) => one.scope.end - one.scope.start - (other.scope.end - other.scope.start));
  const locals = new Map<number, readonly string[]>();
  return {
    asyncNames,
    parameters,
    properties,
    allProperties,
    strings,
    numbers,
    localsAt: (offset) => {
      const known = locals.get(offset);
      if (known) return known;
      const visible = bindings.filter(
        ({ from, scope }) => from <= offset && scope.start <= offset && offset < scope.end,
      );
      const names = [...new Set(visible.map(({ name }) => name))];
      locals.set(offset, names);
      return names;
    },
  };
}

/** Values and methods of one object are two groups: neither is written for the other. */
export function propertyGroup(object: string, isCalled: boolean): string {
  return isCalled ? `${object}()` : object;
}

/** True for the argument of `require`. */
export function isRequired(parent: AnyNode | undefined): boolean {
  return parent?.type === "CallExpression" && parent.callee.type === "Identifier" && parent.callee.name === "require";
}

function nameOfFunction(node: AnyNode, parent: AnyNode | undefined): string | undefined {
  if (isFunction(node) && node.id) return node.id.name;
  if (parent?.type === "VariableDeclarator" && parent.id.type === "Identifier") return parent.id.name;
  const named =
    parent?.type === "MethodDefinition" || parent?.type === "Property" || parent?.type === "PropertyDefinition";
  return named && parent.key.type === "Identifier" ? parent.key.name : undefined;
}
