import { runProcess } from "../../../internal/spawn-process.ts";
import { parseTestOutput } from "./parse-test-output.ts";
import type { TargetPackage } from "./target-package.ts";
import type { TestReport } from "./test-report.ts";

/** How a run of tests ended. Only a run that came to its own end has a report that can be compared. */
export interface TestRun {
  readonly ended: "by-itself" | "timed-out" | "too-much-output" | "aborted" | "not-started";
  readonly report: TestReport;
  readonly output: string;
  readonly durationMs: number;
}

export interface TestRunOptions {
  readonly timeoutMs: number;
  readonly maxOutputBytes: number;
  readonly signal: AbortSignal;
  readonly env?: Record<string, string>;
  /** Flags for Node before the file; only for a single file. */
  readonly nodeFlags?: readonly string[];
}

/** Runs everything that `npm test` would run, without npm: its own start takes longer than most suites. */
export function runTestSuite(target: TargetPackage, options: TestRunOptions): Promise<TestRun> {
  return run(["sh", "-c", target.testCommand], target, options);
}

/** Runs one file of a `node --test` suite by itself. */
export function runTestFile(target: TargetPackage, file: string, options: TestRunOptions): Promise<TestRun> {
  const flags = [...(target.nodeFlags ?? []), ...(options.nodeFlags ?? [])];
  return run([process.execPath, ...flags, "--test-reporter=tap", file], target, options);
}

async function run(command: readonly string[], target: TargetPackage, options: TestRunOptions): Promise<TestRun> {
  const result = await runProcess(command, {
    cwd: target.root,
    env: { ...target.env, ...options.env },
    timeoutMs: options.timeoutMs,
    maxOutputBytes: options.maxOutputBytes,
    signal: options.signal,
  });
  const ended = result.aborted
    ? "aborted"
    : result.truncated
      ? "too-much-output"
      : result.timedOut
        ? "timed-out"
        : result.notFound
          ? "not-started"
          : "by-itself";
  // One output after the other: interleaved, a line on stderr could fall into the middle of a report on stdout.
  const output = `${result.stdout}\n${result.stderr}`;
  return {
    ended,
    report: parseTestOutput(output, result.exitCode),
    output,
    durationMs: result.durationMs,
  };
}
