import type { TestFailure } from "../measure/test-report.ts";
import type { Edit, EditKind } from "../edits/edit.ts";
import { failingTestsAt, type Spectrum } from "./suspicion.ts";

/** How much likelier each kind of edit becomes by what the failing tests say. 1 where nothing is said. */
export type KindWeights = ReadonlyMap<EditKind, number>;

interface Hint {
  readonly applies: (failure: TestFailure) => boolean;
  readonly raises: readonly EditKind[];
  readonly by: number;
}

const says = (pattern: RegExp) => (failure: TestFailure) => pattern.test(failure.message);
const isNamed = (pattern: RegExp) => (failure: TestFailure) => pattern.test(failure.name);

/** What an assertion's text gives away about the kind of bug; each was chosen because its bug is a common one. */
const HINTS: readonly Hint[] = [
  { applies: differsByOne, raises: ["boundary", "comparison", "number"], by: 1.6 },
  { applies: differsInSign, raises: ["swap", "arithmetic", "number"], by: 1.5 },
  { applies: isBoolean, raises: ["comparison", "logic", "negation"], by: 1.4 },
  {
    applies: (failure) => /^(undefined|null|~)$/.test(failure.actual ?? ""),
    raises: ["return", "await", "name", "default"],
    by: 2,
  },
  { applies: (failure) => /\bNaN\b/.test(failure.actual ?? ""), raises: ["default", "argument", "name"], by: 2 },
  { applies: (failure) => /Promise\b/.test(failure.actual ?? ""), raises: ["await"], by: 4 },
  {
    applies: says(/Promise \{|\[object Promise\]|unhandledRejection|asynchronous activity|is not iterable/),
    raises: ["await"],
    by: 3,
  },
  {
    applies: says(/Missing expected (exception|rejection)/i),
    raises: ["throw", "comparison", "logic", "negation", "await"],
    by: 1.6,
  },
  { applies: says(/Cannot (read|set) propert/), raises: ["default", "guard", "return", "await", "name"], by: 1.8 },
  { applies: says(/of undefined/), raises: ["return"], by: 1.5 },
  { applies: says(/is not a function/), raises: ["method", "name", "argument", "await"], by: 2.5 },
  { applies: says(/is not defined/), raises: ["name", "variable"], by: 3 },
  { applies: isNamed(/mutat|modif|untouched|does not change|original|copy|alias|shared/i), raises: ["copy"], by: 4 },
  {
    applies: isNamed(/\bsort|order|descending|ascending|newest|oldest|ranked/i),
    raises: ["swap", "comparison"],
    by: 1.4,
  },
  { applies: isNamed(/default/i), raises: ["default", "logic"], by: 1.5 },
  { applies: isNamed(/\b(case|uppercase|lowercase)\b|case-?insensitive/i), raises: ["method", "regex"], by: 1.5 },
  { applies: isNamed(/\b(wait|await|async|concurren|retr|again|attempt|finish|settle)/i), raises: ["await"], by: 1.6 },
  { applies: isNamed(/\b(round|cents|decimal)/i), raises: ["method", "arithmetic"], by: 1.5 },
  { applies: isNamed(/\b(zero|empty|falsy|false)\b/i), raises: ["logic", "comparison"], by: 1.3 },
];

/** What a failure says, without what changes from run to run: two runs that say the same were not told apart by an edit. */
export function toSignature(failures: readonly TestFailure[]): string {
  return failures
    .map(({ name, message, expected, actual }) => [name, message.split("\n", 1)[0], expected, actual].join("|"))
    .join("\n");
}

export function toKindWeights(failures: readonly TestFailure[]): KindWeights {
  const weights = new Map<EditKind, number>();
  for (const hint of HINTS) {
    if (!failures.some(hint.applies)) continue;
    for (const kind of hint.raises) weights.set(kind, (weights.get(kind) ?? 1) * hint.by);
  }
  return weights;
}

/**
 * The hints for each place of the program: a test that does not execute it has nothing to say about it. Where tests
 * cannot be told apart, and at the top level of a file, all of them are asked.
 */
export function toHintsAt(spectrum: Spectrum, failures: readonly TestFailure[]): (edit: Edit) => KindWeights {
  const everywhere = toKindWeights(failures);
  const byTests = new Map<string, KindWeights>();
  return (edit) => {
    const names = edit.functionEnd === undefined ? [] : failingTestsAt(spectrum, edit);
    if (names.length === 0) return everywhere;
    const key = names.join("\n");
    const known = byTests.get(key) ?? toKindWeights(failures.filter((failure) => names.includes(failure.name)));
    byTests.set(key, known);
    return known;
  };
}

function differsByOne({ expected, actual }: TestFailure): boolean {
  return Math.abs(Number(expected) - Number(actual)) === 1;
}

function differsInSign({ expected, actual }: TestFailure): boolean {
  return Number(expected) !== 0 && Number(expected) === -Number(actual);
}

function isBoolean({ expected, actual }: TestFailure): boolean {
  return /^(true|false)$/.test(expected ?? "") && /^(true|false)$/.test(actual ?? "");
}
