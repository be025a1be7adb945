import type { Edit } from "../edits/edit.ts";
import { type CoveredFunction, isExecuted } from "./read-coverage.ts";

/** Which code which test executed, and which of the tests fail. */
export interface Spectrum {
  readonly tests: readonly {
    readonly name?: string;
    readonly failed: boolean;
    readonly files: ReadonlyMap<string, readonly CoveredFunction[]>;
  }[];
  /** `file:line` of the package's own frames in the stack traces of failures. */
  readonly frames: ReadonlySet<string>;
}

/** Many edits share one place: each is looked up once. */
const namesByPlace = new WeakMap<Spectrum, Map<string, string[]>>();

/** The failing tests that execute the place of an edit, by name. */
export function failingTestsAt(spectrum: Spectrum, edit: Edit): readonly string[] {
  const known = namesByPlace.get(spectrum) ?? new Map<string, string[]>();
  namesByPlace.set(spectrum, known);
  const place = `${edit.file}:${edit.start}:${edit.functionEnd}`;
  const found = known.get(place);
  if (found) return found;
  const names: string[] = [];
  for (const { name, failed, files } of spectrum.tests) {
    if (failed && name !== undefined && isExecuted(files.get(edit.file) ?? [], edit.start, edit.functionEnd))
      names.push(name);
  }
  known.set(place, names);
  return names;
}

/** The suspicion of all code where it is not known what the tests execute. */
const UNKNOWN = 0.3;

/** How suspicious the place of an edit is, from 0 (no failing test executes it) to about 1. */
export type Suspicion = (edit: Edit) => number;

/**
 * Ranks by Ochiai: code that many failing and few passing tests execute is suspicious. Beside it stands the same measure
 * for one failing test alone, so that one of several bugs is not hidden by the others' failures.
 */
export function toSuspicion(spectrum: Spectrum, sources: ReadonlyMap<string, string>): Suspicion {
  const failing = spectrum.tests.filter((test) => test.failed);
  const passing = spectrum.tests.filter((test) => !test.failed);
  const byPlace = new Map<string, number>();

  const measure = (file: string, offset: number, functionEnd: number | undefined): number => {
    const ran = (test: Spectrum["tests"][number]): boolean =>
      isExecuted(test.files.get(file) ?? [], offset, functionEnd);
    const failed = failing.filter(ran).length;
    if (failed === 0) return 0;
    const passed = passing.filter(ran).length;
    return Math.max(failed / Math.sqrt(failing.length * (failed + passed)), 0.9 / Math.sqrt(1 + passed));
  };
  const ofCode = (edit: Edit): number => {
    const place = `${edit.file}:${edit.start}:${edit.functionEnd}`;
    const known = byPlace.get(place);
    if (known !== undefined) return known;
    const value = measure(edit.file, edit.start, edit.functionEnd);
    byPlace.set(place, value);
    return value;
  };
  // Code at the top level runs once for all tests: it is as suspicious as the code, of any file, that uses what it declares.
  const ofDeclaration = (edit: Edit): number => {
    const names = edit.declares ?? [];
    let best = 0;
    for (const [file, text] of sources) {
      for (const name of names) {
        for (const { index } of text.matchAll(new RegExp(`(?<![\\w$.])${escapeRegex(name)}(?![\\w$])`, "g"))) {
          for (const test of failing)
            if (runsInSomeFunction(test.files.get(file) ?? [], index))
              best = Math.max(best, 0.9 * measureAround(file, index));
        }
      }
    }
    return best;
  };
  const measureAround = (file: string, offset: number): number => {
    const ran = (test: Spectrum["tests"][number]): boolean => runsInSomeFunction(test.files.get(file) ?? [], offset);
    const failed = failing.filter(ran).length;
    return failed === 0
      ? 0
      : Math.max(
          failed / Math.sqrt(failing.length * (failed + passing.filter(ran).length)),
          0.9 / Math.sqrt(1 + passing.filter(ran).length),
        );
  };
  return (edit) => {
    const value = failing.length === 0 ? UNKNOWN : edit.functionEnd === undefined ? ofDeclaration(edit) : ofCode(edit);
    return spectrum.frames.has(`${edit.file}:${edit.line}`) ? Math.max(value * 1.5, 0.3) : value;
  };
}

function runsInSomeFunction(functions: readonly CoveredFunction[], offset: number): boolean {
  let innermost: CoveredFunction[number] | undefined;
  for (const ranges of functions) {
    for (const range of ranges) {
      if (offset < range[0] || offset >= range[1]) continue;
      if (!innermost || range[1] - range[0] <= innermost[1] - innermost[0]) innermost = range;
    }
  }
  return innermost !== undefined && innermost[2] > 0;
}

function escapeRegex(text: string): string {
  return text.replace(/[$^.*+?()[\]{}|\\]/g, "\\$&");
}
