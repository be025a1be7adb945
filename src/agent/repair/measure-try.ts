import { toSignature } from "./locate/failure-hints.ts";
import type { FailingFile } from "./locate/locate-failures.ts";
import type { TargetPackage } from "./measure/target-package.ts";
import { isBetter, type TestReport } from "./measure/test-report.ts";
import { runTestFile, runTestSuite, type TestRunOptions } from "./measure/test-runner.ts";
import type { TryEffect } from "./session/repair-memory.ts";

/** What the tests say about an edit. */
export interface TryResult {
  readonly better: boolean;
  readonly effect: TryEffect;
  readonly ended: "by-itself" | "timed-out" | "aborted";
  /** The whole suite where it ran, otherwise as much of it as was needed to see that the edit does not help. */
  readonly report: TestReport;
  readonly durationMs: number;
}

/**
 * Tests the program as it stands. The files with failing tests go first: nearly every edit is refused by one of them,
 * in a fraction of the whole suite's time. Only what helps there has to show that the whole suite agrees.
 */
export async function measureTry(
  target: TargetPackage,
  baseline: TestReport,
  failingFiles: readonly FailingFile[],
  options: TestRunOptions,
): Promise<TryResult> {
  let durationMs = 0;
  let report = baseline;
  let isPromising = failingFiles.length === 0;
  let effect: TryEffect = "none";
  for (const before of failingFiles) {
    const run = await runTestFile(target, before.file, {
      ...options,
      timeoutMs: Math.min(options.timeoutMs, toTimeLimit(before.durationMs)),
    });
    durationMs += run.durationMs;
    const ended = run.ended === "aborted" ? "aborted" : run.ended === "by-itself" ? "by-itself" : "timed-out";
    if (ended !== "by-itself") return { better: false, effect: "broke", ended, report, durationMs };
    report = withFile(report, before.report, run.report);
    if (isBetter(run.report, before.report)) isPromising = true;
    else if (!passesSame(run.report, before.report))
      return { better: false, effect: "broke", ended, report, durationMs };
    if (toSignature(run.report.failures) !== toSignature(before.report.failures)) effect = "moved";
  }
  if (!isPromising) return { better: false, effect, ended: "by-itself", report, durationMs };
  const run = await runTestSuite(target, options);
  durationMs += run.durationMs;
  const ended = run.ended === "aborted" ? "aborted" : run.ended === "by-itself" ? "by-itself" : "timed-out";
  const better = ended === "by-itself" && isBetter(run.report, baseline);
  if (ended !== "by-itself" || run.report.passed < baseline.passed) effect = "broke";
  return { better, effect, ended, report: run.report, durationMs };
}

/** True when the same tests pass: then an edit did no harm, whatever the failing ones say now. */
function passesSame(after: TestReport, before: TestReport): boolean {
  if (!after.tests || !before.tests) return after.passed === before.passed && after.failed === before.failed;
  return [...before.tests].every(([name, passed]) => after.tests?.get(name) === passed);
}

/** Room for a loaded machine, and little enough that an edit which makes a loop endless costs seconds, not minutes. */
export function toTimeLimit(durationMs: number): number {
  return durationMs * 5 + 2500;
}

/** What the whole suite would say if only this file's result had changed. */
function withFile(whole: TestReport, before: TestReport, after: TestReport): TestReport {
  return {
    ...whole,
    passed: whole.passed + after.passed - before.passed,
    failed: whole.failed + after.failed - before.failed,
  };
}
