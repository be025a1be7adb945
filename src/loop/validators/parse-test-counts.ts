import { stripVTControlCharacters } from "node:util";

/** What a test runner said of its own run. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
}

/** How one runner writes its summary: a summary begins where `passed` or `failed` matches, and every match counts. */
interface SummaryFormat {
  readonly passed: RegExp;
  readonly failed: readonly RegExp[];
}

/**
 * The runners whose summaries are understood, the most particular first: the first one that finds a number decides.
 * Skipped tests and those marked "todo" are nobody's success, so they are left out of both counts.
 */
const FORMATS: readonly SummaryFormat[] = [
  // node:test, as TAP (`# pass 3`) and as spec (`ℹ pass 3`); tape writes the former with more blanks.
  { passed: /^\s*[#ℹ] pass\s+(\d+)$/gm, failed: [/^\s*[#ℹ] fail\s+(\d+)$/gm, /^\s*[#ℹ] cancelled\s+(\d+)$/gm] },
  // vitest: `Tests  1 failed | 3 passed (4)`; jest: `Tests:       1 failed, 3 passed, 4 total`.
  { passed: /^\s*Tests:?\s.*?(\d+) passed/gm, failed: [/^\s*Tests:?\s.*?(\d+) failed/gm] },
  // mocha: `3 passing (5ms)`, `1 failing`.
  { passed: /^\s*(\d+) passing\b/gm, failed: [/^\s*(\d+) failing\b/gm] },
  // ava: `3 tests passed`, `1 test failed`.
  { passed: /^\s*(\d+) tests? passed$/gm, failed: [/^\s*(\d+) tests? failed$/gm] },
];

const JASMINE = /^\s*(\d+) specs?, (\d+) failures?/gm;
const TAP_PASSED = /^ok\b/gm;
const TAP_FAILED = /^not ok\b/gm;

function sum(text: string, pattern: RegExp, group = 1): number | undefined {
  let total: number | undefined;
  for (const match of text.matchAll(pattern)) total = (total ?? 0) + Number(match[group]);
  return total;
}

/**
 * How many tests passed and failed, from what the runner printed; undefined where no summary is recognised.
 * Several summaries (a script that runs several suites) are added up.
 */
export function parseTestCounts(output: string): TestCounts | undefined {
  const text = stripVTControlCharacters(output).replaceAll("\r\n", "\n");
  for (const format of FORMATS) {
    const passed = sum(text, format.passed);
    const failed = format.failed.map((pattern) => sum(text, pattern)).filter((count) => count !== undefined);
    if (passed === undefined && failed.length === 0) continue;
    return { passed: passed ?? 0, failed: failed.reduce((total, count) => total + count, 0) };
  }
  const specs = sum(text, JASMINE);
  if (specs !== undefined) {
    const failed = sum(text, JASMINE, 2) ?? 0;
    return { passed: specs - failed, failed };
  }
  const passed = [...text.matchAll(TAP_PASSED)].length;
  const failed = [...text.matchAll(TAP_FAILED)].length;
  return passed + failed === 0 ? undefined : { passed, failed };
}

/** How runners mark the name of a test that failed. */
const FAILED_NAME = /^\s*(?:not ok \d+ -?|✖|✕|×|●)\s+(.+?)(?:\s+\(\d[\d.]*\s?m?s\))?$/gm;

/** The names of the tests that failed, each once, in the order in which they were printed. */
export function parseFailedTests(output: string, limit: number): string[] {
  const names = new Set<string>();
  for (const match of stripVTControlCharacters(output).matchAll(FAILED_NAME)) {
    const name = (match[1] as string).trim();
    // The heading above the details of a spec reporter, and files, which only contain the tests that failed.
    if (name === "failing tests:" || /\.[cm]?[jt]sx?$/.test(name)) continue;
    names.add(name);
    if (names.size >= limit) break;
  }
  return [...names];
}
