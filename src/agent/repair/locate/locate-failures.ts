import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { TargetPackage } from "../measure/target-package.ts";
import type { TestFailure, TestReport } from "../measure/test-report.ts";
import { runTestFile, runTestSuite, type TestRunOptions } from "../measure/test-runner.ts";
import { isTestFile } from "./list-sources.ts";
import { readFrames } from "./read-frames.ts";
import { readRecordedCoverage, readRunCoverage } from "./read-coverage.ts";
import type { Spectrum } from "./suspicion.ts";

/** A test file that has failing tests and can be run by itself. */
export interface FailingFile {
  readonly file: string;
  readonly report: TestReport;
  readonly durationMs: number;
}

export interface Located {
  readonly spectrum: Spectrum;
  /** Empty where the runner cannot run one file alone; then every try runs the whole suite. */
  readonly failingFiles: readonly FailingFile[];
}

const RECORDER = fileURLToPath(new URL("./coverage-recorder.js", import.meta.url));

/**
 * Finds out which code the failing tests execute. Under `node --test` each file with a failing test runs by itself
 * and tells for each of its tests; under any other runner the whole suite runs once more, without telling tests apart.
 */
export async function locateFailures(
  target: TargetPackage,
  report: TestReport,
  options: TestRunOptions,
): Promise<Located> {
  const scratch = await mkdtemp(join(tmpdir(), "skein-repair-"));
  try {
    const files = target.nodeFlags ? toFailingFiles(report.failures, target.root) : [];
    const located = await locateByTest(target, files, scratch, options);
    return located ?? (await locateByRun(target, report, scratch, options));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function locateByTest(
  target: TargetPackage,
  files: readonly string[],
  scratch: string,
  options: TestRunOptions,
): Promise<Located | undefined> {
  const tests: Spectrum["tests"][number][] = [];
  const failingFiles: FailingFile[] = [];
  let output = "";
  for (const [index, file] of files.entries()) {
    const out = join(scratch, `${index}.ndjson`);
    const run = await runTestFile(target, file, {
      ...options,
      nodeFlags: ["--import", RECORDER],
      env: { SKEIN_REPAIR_COVERAGE: out },
    });
    if (run.ended !== "by-itself" || run.report.failed === 0) continue;
    const coverages = await readRecordedCoverage(out, target.root);
    failingFiles.push({ file, report: run.report, durationMs: run.durationMs });
    for (const failure of run.report.failures) output += `${failure.message}\n`;
    for (const coverage of coverages) {
      if (coverage.test === undefined) continue;
      tests.push({
        name: coverage.test,
        failed: run.report.tests?.get(coverage.test) === false,
        files: coverage.files,
      });
    }
    // A file that fails before its first test fails by what runs while it is loading.
    if (!coverages.some(({ test }) => test !== undefined))
      tests.push(...coverages.map((one) => ({ failed: true, files: one.files })));
  }
  if (!tests.some((test) => test.failed)) return undefined;
  return { spectrum: { tests, frames: readFrames(output, target.root) }, failingFiles };
}

async function locateByRun(
  target: TargetPackage,
  report: TestReport,
  scratch: string,
  options: TestRunOptions,
): Promise<Located> {
  await runTestSuite(target, { ...options, env: { NODE_V8_COVERAGE: scratch } });
  const { files } = await readRunCoverage(scratch, target.root);
  const output = report.failures.map((failure) => failure.message).join("\n");
  // Runners that load code in a way of their own (vitest, jest) leave none of the package's sources in the coverage.
  const isKnown = [...files.keys()].some((file) => !isTestFile(file));
  return {
    spectrum: { tests: isKnown ? [{ failed: true, files }] : [], frames: readFrames(output, target.root) },
    failingFiles: [],
  };
}

function toFailingFiles(failures: readonly TestFailure[], root: string): string[] {
  const files = new Set<string>();
  for (const { file, name } of failures) {
    const path = file ?? name;
    if (!/\.[cm]?js$/.test(path)) continue;
    const local = isAbsolute(path) ? relative(root, path).split(sep).join("/") : path;
    if (!local.startsWith("..") && !local.includes("node_modules/")) files.add(local);
  }
  return [...files];
}
