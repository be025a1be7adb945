import { stripVTControlCharacters } from "node:util";
import { parseTap } from "./parse-tap.ts";
import type { TestFailure, TestReport } from "./test-report.ts";

/** The line in which each runner says how many tests passed and failed; the last one in the output counts. */
const SUMMARIES: readonly ((text: string) => { passed: number; failed: number } | undefined)[] = [
  // node:test, spec reporter
  (text) => pair(text, /^ℹ pass (\d+)$/gm, /^ℹ fail (\d+)$/gm),
  // jest: `Tests:  1 failed, 3 passed, 4 total`; vitest: `Tests  1 failed | 3 passed (4)`
  (text) => {
    const line = last(text, /^\s*Tests:?\s+(.*(?:passed|failed).*)$/gm);
    return line === undefined
      ? undefined
      : { passed: number(line, /(\d+) passed/), failed: number(line, /(\d+) failed/) };
  },
  // mocha, and those that speak like it
  (text) => pair(text, /^\s*(\d+) passing\b/gm, /^\s*(\d+) failing\b/gm),
  // ava
  (text) => pair(text, /^\s*(\d+) tests? passed\b/gm, /^\s*(\d+) tests? failed\b/gm),
  // uvu
  (text) => {
    const passed = last(text, /^\s*Passed:\s+(\d+)/gm);
    return passed === undefined
      ? undefined
      : { passed: Number(passed), failed: Number(last(text, /^\s*Total:\s+(\d+)/gm) ?? passed) - Number(passed) };
  },
  // jasmine
  (text) => {
    const match = /^(\d+) specs?, (\d+) failures?/m.exec(text);
    return match ? { passed: Number(match[1]) - Number(match[2]), failed: Number(match[2]) } : undefined;
  },
];

/**
 * Turns a runner's output into a report. Where no count is recognisable the exit code is the measure:
 * a package whose runner we do not know can be repaired all the same, only with less to go by.
 */
export function parseTestOutput(output: string, exitCode: number | undefined): TestReport {
  const text = stripVTControlCharacters(output);
  const tap = /^\s*(not )?ok \d+/m.test(text) || /^TAP version/m.test(text) ? parseTap(text) : undefined;
  if (tap && tap.passed + tap.failed > 0) return honest(tap, exitCode);
  for (const summary of SUMMARIES) {
    const counts = summary(text);
    if (!counts || counts.passed + counts.failed === 0) continue;
    return honest({ ...counts, counted: true, failures: counts.failed > 0 ? [toFailure(text)] : [] }, exitCode);
  }
  const passed = exitCode === 0 ? 1 : 0;
  return { passed, failed: 1 - passed, counted: false, failures: passed ? [] : [toFailure(text)] };
}

/** A run that failed although every test that it counted passed has at least one failure that it did not count. */
function honest(report: TestReport, exitCode: number | undefined): TestReport {
  return exitCode === 0 || report.failed > 0 ? report : { ...report, failed: 1 };
}

function toFailure(text: string): TestFailure {
  const expected = /^\s*(?:\+ expected|expected|Expected)\s*:?\s+(.+)$/m.exec(text)?.[1];
  const actual = /^\s*(?:- actual|actual|Received)\s*:?\s+(.+)$/m.exec(text)?.[1];
  return {
    name: "the test run",
    message: text.slice(-20_000),
    ...(expected === undefined ? {} : { expected }),
    ...(actual === undefined ? {} : { actual }),
  };
}

function pair(text: string, passing: RegExp, failing: RegExp): { passed: number; failed: number } | undefined {
  const passed = last(text, passing);
  const failed = last(text, failing);
  return passed === undefined && failed === undefined
    ? undefined
    : { passed: Number(passed ?? 0), failed: Number(failed ?? 0) };
}

function last(text: string, pattern: RegExp): string | undefined {
  return [...text.matchAll(pattern)].at(-1)?.[1];
}

function number(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0);
}
