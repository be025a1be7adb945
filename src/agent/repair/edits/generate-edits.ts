import { argumentEdits, methodEdits } from "./call-edits.ts";
import { conditionEdits } from "./condition-edits.ts";
import type { EditRule } from "./edit-rule.ts";
import { applyEdit, type Edit } from "./edit.ts";
import { propertyEdits, variableEdits } from "./name-edits.ts";
import { operandEdits, operatorEdits } from "./operator-edits.ts";
import { regexEdits } from "./regex-edits.ts";
import { readSourceFacts, type SourceFacts } from "./source-facts.ts";
import { awaitEdits, controlEdits, returnEdits } from "./statement-edits.ts";
import { type AnyNode, boundNames, isFunction, listSites, parseSource, type Site } from "./syntax-tree.ts";
import { boundaryEdits, copyEdits, defaultEdits, literalEdits } from "./value-edits.ts";

const RULES: readonly EditRule[] = [
  operatorEdits,
  operandEdits,
  conditionEdits,
  literalEdits,
  boundaryEdits,
  defaultEdits,
  copyEdits,
  argumentEdits,
  methodEdits,
  variableEdits,
  propertyEdits,
  awaitEdits,
  returnEdits,
  controlEdits,
  regexEdits,
];

export interface GeneratedEdits {
  readonly edits: readonly Edit[];
  /** Files that are no JavaScript, with the parser's words. */
  readonly unreadable: ReadonlyMap<string, string>;
}

/**
 * Every small edit of the wanted files, each once, in no particular order. The other sources are read as well:
 * what they declare (an `async` function, the parameters of one) says what is missing in the wanted ones.
 */
export function generateEdits(
  sources: ReadonlyMap<string, string>,
  isWanted: (file: string) => boolean,
): GeneratedEdits {
  const unreadable = new Map<string, string>();
  const parsed: { file: string; source: string; sites: Site[] }[] = [];
  for (const [file, source] of sources) {
    const result = parseSource(source);
    if (result.ok) parsed.push({ file, source, sites: listSites(result.program, source) });
    else unreadable.set(file, result.reason);
  }
  const first = parsed.map(({ sites }) => readSourceFacts(sites));
  const edits = parsed.flatMap(({ file, source, sites }, index) => {
    if (!isWanted(file)) return [];
    const facts = readSourceFacts(
      sites,
      first.filter((_, other) => other !== index),
    );
    return editsOfFile(file, source, sites, facts);
  });
  return { edits, unreadable };
}

function editsOfFile(file: string, source: string, sites: readonly Site[], facts: SourceFacts): Edit[] {
  const lineStarts = [0, ...[...source.matchAll(/\n/g)].map(({ index }) => index + 1)];
  const byReplacement = new Map<string, Edit>();
  for (const site of sites) {
    const place = placeOf(site);
    for (const rule of RULES) {
      for (const proposal of rule(site, facts)) {
        const replacement = `${proposal.start}:${proposal.end}:${proposal.text}`;
        const known = byReplacement.get(replacement);
        if (known && known.prior >= proposal.prior) continue;
        const line = lineOf(lineStarts, proposal.start);
        const text = source.slice(lineStarts[line - 1], lineStarts[line] ?? source.length);
        const column = proposal.start - (lineStarts[line - 1] as number) - (text.length - text.trimStart().length);
        const key = [file, text.trim(), column, proposal.end - proposal.start, proposal.text].join("|");
        byReplacement.set(replacement, { ...proposal, ...place, file, line, key });
      }
    }
  }
  return [...byReplacement.values()];
}

/** The number, from 1, of the line in which `offset` lies. */
function lineOf(lineStarts: readonly number[], offset: number): number {
  let low = 0;
  let high = lineStarts.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((lineStarts[middle] as number) <= offset) low = middle;
    else high = middle;
  }
  return low + 1;
}

/** Whether an edited source can still be read; most that cannot are found out before a test is run for them. */
export function isReadable(source: string, edit: Edit): boolean {
  return parseSource(applyEdit(source, edit)).ok;
}

/** Which function an edit belongs to; outside of all functions, which names its statement declares. */
function placeOf({ ancestors }: Site): Pick<Edit, "functionEnd" | "declares"> {
  const around = ancestors.findLast(isFunction);
  if (around) return { functionEnd: around.end };
  const statement = ancestors[1];
  const declaration = statement?.type === "ExportNamedDeclaration" ? statement.declaration : statement;
  return {
    declares:
      declaration?.type === "VariableDeclaration"
        ? declaration.declarations.flatMap((one) => boundNames(one.id as AnyNode))
        : [],
  };
}
