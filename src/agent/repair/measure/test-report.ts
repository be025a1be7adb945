/** One failing test, as far as the runner's output tells. */
export interface TestFailure {
  readonly name: string;
  readonly message: string;
  readonly expected?: string;
  readonly actual?: string;
  /** Relative to the package, where the runner says in which file the test stands. */
  readonly file?: string;
}

/** What a run of tests says, whichever runner it was. */
export interface TestReport {
  readonly passed: number;
  readonly failed: number;
  /** False when no count was recognised and the exit code alone is the measure: 1 passed or 1 failed. */
  readonly counted: boolean;
  /** Each test by name, true where it passed; absent where the runner does not say. */
  readonly tests?: ReadonlyMap<string, boolean>;
  readonly failures: readonly TestFailure[];
}

/**
 * True when `after` passes more tests than `before` and breaks none. A test that is no longer there counts as broken:
 * a suite that stops half-way must not look better than one that runs to its end.
 */
export function isBetter(after: TestReport, before: TestReport): boolean {
  if (after.passed <= before.passed) return false;
  if (after.tests && before.tests) {
    for (const [name, passed] of before.tests) if (passed && after.tests.get(name) !== true) return false;
    return true;
  }
  return after.failed <= before.failed;
}

export function isAllPassing(report: TestReport): boolean {
  return report.failed === 0 && report.passed > 0;
}

/** `14/16 tests pass`, the way a person reads it. */
export function toScore(report: TestReport): string {
  if (!report.counted) return report.failed === 0 ? "the tests pass" : "the tests fail";
  return `${report.passed}/${report.passed + report.failed} tests pass`;
}
