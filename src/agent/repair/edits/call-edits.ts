import { propose, type EditRule } from "./edit-rule.ts";
import type { EditProposal } from "./edit.ts";
import { type AnyNode, textOf } from "./syntax-tree.ts";

/** What is seldom taken for its neighbour. */
const UNLIKE = /Function|^ObjectExpression|^ArrayExpression/;

/** Arguments in the wrong order, too many or too few. */
export const argumentEdits: EditRule = ({ node, source }, facts) => {
  if (node.type !== "CallExpression" && node.type !== "NewExpression") return [];
  const list = node.arguments as AnyNode[];
  const edits: EditProposal[] = [];
  for (let index = 0; index + 1 < list.length; index += 1) {
    const [one, other] = [list[index] as AnyNode, list[index + 1] as AnyNode];
    if (UNLIKE.test(one.type) || UNLIKE.test(other.type)) continue;
    const swapped = textOf(source, other) + source.slice(one.end, other.start) + textOf(source, one);
    edits.push(propose({ start: one.start, end: other.end }, swapped, "argument", list.length === 2 ? 0.6 : 0.4));
  }
  const last = list.at(-1);
  const before = list.at(-2);
  if (last && before)
    edits.push(
      propose(
        { start: before.end, end: last.end },
        "",
        "argument",
        0.15,
        `drop argument ${textOf(source, last).slice(0, 30)}`,
      ),
    );
  edits.push(...missingArguments(node, source, facts.parameters, facts.localsAt(node.start)));
  if (
    last === undefined &&
    node.callee.type === "MemberExpression" &&
    textOf(source, node.callee.property) === "sort"
  ) {
    const at = { start: node.end - 1, end: node.end - 1 };
    edits.push(propose(at, "(a, b) => a - b", "argument", 0.6), propose(at, "(a, b) => b - a", "argument", 0.3));
  }
  return edits;
};

/** Names that are in scope, for parameters that the callee has and the call does not give. */
function missingArguments(
  node: AnyNode & { type: "CallExpression" | "NewExpression" },
  source: string,
  parameters: ReadonlyMap<string, readonly string[]>,
  locals: readonly string[],
): EditProposal[] {
  const callee = node.callee.type === "MemberExpression" ? node.callee.property : node.callee;
  const expected = callee.type === "Identifier" ? parameters.get(callee.name) : undefined;
  const given = node.arguments as AnyNode[];
  const missing = expected?.[given.length];
  if (missing === undefined) return [];
  const at = { start: node.end - 1, end: node.end - 1 };
  const used = new Set(given.map((argument) => textOf(source, argument)));
  return locals
    .filter((name) => !used.has(name))
    .map((name) => ({ name, prior: name === missing ? 0.8 : 0.2 }))
    .toSorted((one, other) => other.prior - one.prior)
    .slice(0, 4)
    .map(({ name, prior }) =>
      propose(
        at,
        given.length > 0 ? `, ${name}` : name,
        "argument",
        prior,
        `pass ${name} to ${textOf(source, node.callee).slice(0, 30)}`,
      ),
    );
}

/** Methods that are written for one another by mistake. */
const METHODS: Readonly<Record<string, readonly (readonly [method: string, prior: number])[]>> = {
  push: [["unshift", 0.3]],
  unshift: [["push", 0.4]],
  pop: [["shift", 0.5]],
  shift: [["pop", 0.5]],
  indexOf: [["lastIndexOf", 0.5]],
  lastIndexOf: [["indexOf", 0.5]],
  some: [["every", 0.7]],
  every: [["some", 0.7]],
  min: [["max", 0.75]],
  max: [["min", 0.75]],
  floor: [
    ["ceil", 0.6],
    ["round", 0.45],
  ],
  ceil: [
    ["floor", 0.6],
    ["round", 0.3],
  ],
  round: [
    ["floor", 0.4],
    ["ceil", 0.3],
  ],
  trunc: [
    ["floor", 0.4],
    ["round", 0.3],
  ],
  trimStart: [
    ["trimEnd", 0.5],
    ["trim", 0.4],
  ],
  trimEnd: [
    ["trimStart", 0.5],
    ["trim", 0.4],
  ],
  toUpperCase: [["toLowerCase", 0.6]],
  toLowerCase: [["toUpperCase", 0.6]],
  startsWith: [
    ["endsWith", 0.6],
    ["includes", 0.3],
  ],
  endsWith: [
    ["startsWith", 0.6],
    ["includes", 0.3],
  ],
  find: [
    ["filter", 0.35],
    ["findLast", 0.2],
  ],
  filter: [["find", 0.3]],
  map: [
    ["flatMap", 0.4],
    ["forEach", 0.1],
  ],
  forEach: [["map", 0.4]],
  keys: [
    ["values", 0.5],
    ["entries", 0.3],
  ],
  values: [
    ["keys", 0.5],
    ["entries", 0.3],
  ],
  entries: [
    ["values", 0.3],
    ["keys", 0.3],
  ],
  add: [["delete", 0.4]],
  delete: [["add", 0.3]],
  has: [["get", 0.2]],
  replace: [["replaceAll", 0.55]],
  substr: [
    ["substring", 0.55],
    ["slice", 0.3],
  ],
  substring: [
    ["substr", 0.4],
    ["slice", 0.3],
  ],
  slice: [["splice", 0.15]],
  splice: [["slice", 0.3]],
  padStart: [["padEnd", 0.6]],
  padEnd: [["padStart", 0.6]],
  reduce: [["reduceRight", 0.3]],
  reduceRight: [["reduce", 0.5]],
  all: [
    ["allSettled", 0.3],
    ["race", 0.1],
  ],
  race: [["all", 0.4]],
  call: [["apply", 0.4]],
  apply: [["call", 0.4]],
  getDay: [["getDate", 0.7]],
  getDate: [
    ["getDay", 0.4],
    ["getUTCDate", 0.4],
  ],
  getMonth: [["getUTCMonth", 0.4]],
  getHours: [["getUTCHours", 0.5]],
  getUTCDay: [["getUTCDate", 0.7]],
  getUTCDate: [["getUTCDay", 0.4]],
  getTime: [["getDate", 0.1]],
};

const GLOBALS: Readonly<Record<string, readonly (readonly [name: string, prior: number])[]>> = {
  parseInt: [
    ["parseFloat", 0.5],
    ["Number", 0.4],
  ],
  parseFloat: [
    ["parseInt", 0.4],
    ["Number", 0.3],
  ],
  Number: [["parseInt", 0.1]],
  isNaN: [["Number.isNaN", 0.4]],
  isFinite: [["Number.isFinite", 0.4]],
};

/** Another method of the same kind, or one call too many in a chain. */
export const methodEdits: EditRule = ({ node, parent }) => {
  if (node.type !== "CallExpression") return [];
  const { callee } = node;
  if (callee.type === "Identifier")
    return (Object.hasOwn(GLOBALS, callee.name) ? (GLOBALS[callee.name] as (readonly [string, number])[]) : []).map(
      ([name, prior]) => propose(callee, name, "method", prior),
    );
  if (callee.type !== "MemberExpression" || callee.computed || callee.property.type !== "Identifier") return [];
  const name = callee.property.name;
  const edits = (Object.hasOwn(METHODS, name) ? (METHODS[name] as (readonly [string, number])[]) : []).map(
    ([method, prior]) => propose(callee.property, method, "method", prior),
  );
  const isChained = callee.object.type === "CallExpression" || parent?.type === "MemberExpression";
  if (isChained || /^(reverse|trim|toLowerCase|toUpperCase|sort|flat|abs|round|floor|ceil)$/.test(name)) {
    edits.push(propose({ start: callee.object.end, end: node.end }, "", "removal", 0.2, `drop .${name}()`));
  }
  return edits;
};
