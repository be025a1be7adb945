import { ValidationError } from "../../errors.ts";
import { throwIfAborted } from "../../internal/abort.ts";
import type { ExecResult } from "../../sandbox/sandbox.ts";
import type { Validator, Verdict } from "../loop-types.ts";
import { parseFailedTests, parseTestCounts } from "./parse-test-counts.ts";

/** How {@link testsPass} runs the tests. @stable */
export interface TestsPassOptions {
  /** What runs the tests in the box's workspace: a shell command line, or a program with its arguments. Default `npm test`. */
  readonly command?: string | readonly string[];
  /** How long the command may take; longer is invalid with score 0. Default 120,000. */
  readonly timeoutMs?: number;
}

/** A command that fails although all its tests passed (a crash at the end, a coverage threshold) is not a full success. */
const MOST_OF_A_FAILURE = 0.99;

const MAX_OUTPUT_BYTES = 10 * 1024 * 1024;
const MAX_NAMED_FAILURES = 5;

/**
 * A validator that runs the tests in the live box: valid when the command exits with 0,
 * the score is the share of the tests that passed (0..1), as far as the runner's summary is understood.
 *
 * It does not look at the output of the iteration, so it goes with every output adapter. A command that takes too long, prints too much
 * or is not there is an invalid verdict with a note; a box that cannot run commands is an error.
 *
 * @stable
 */
export function testsPass(options: TestsPassOptions = {}): Validator<unknown> {
  const { command = ["npm", "test"], timeoutMs = 120_000 } = options;
  if (!(timeoutMs > 0))
    throw new ValidationError("invalid_option", `timeoutMs is a positive number of milliseconds, not ${timeoutMs}.`);
  if (command.length === 0)
    throw new ValidationError("invalid_option", "The check command is empty; leave it out for `npm test`.");
  const argv = typeof command === "string" ? ["sh", "-c", command] : command;
  const shown = typeof command === "string" ? command : command.join(" ");
  return {
    name: `tests-pass: ${shown}`,
    async validate(_output, { box, signal }) {
      if (box.exec === undefined) {
        throw new ValidationError(
          "invalid_option",
          "testsPass needs boxes that can run a command; these have no exec. Use another validator.",
        );
      }
      // CI is what makes runners print plain text, once, and never wait for a key.
      const result = await box.exec(argv, {
        env: { CI: "1", NO_COLOR: "1" },
        timeoutMs,
        maxOutputBytes: MAX_OUTPUT_BYTES,
        signal,
      });
      throwIfAborted(signal);
      return toVerdict(result, shown, timeoutMs);
    },
  };
}

/** From the command's end to a verdict. */
export function toVerdict(result: ExecResult, command: string, timeoutMs: number): Verdict {
  const refuse = (notes: string): Verdict => ({ valid: false, score: 0, notes });
  if (result.timedOut === true) return refuse(`\`${command}\` did not end within ${timeoutMs / 1000} s.`);
  if (result.truncated === true)
    return refuse(`\`${command}\` printed more than ${MAX_OUTPUT_BYTES / 1024 / 1024} MiB and was ended.`);
  if (result.exitCode === 127) return refuse(`\`${command}\` could not be run: there is no such program in the box.`);
  const output = `${result.stdout}\n${result.stderr}`;
  const counts = parseTestCounts(output);
  const total = counts === undefined ? 0 : counts.passed + counts.failed;
  if (counts === undefined) {
    return result.exitCode === 0
      ? { valid: true, score: 1, notes: `\`${command}\` succeeded.` }
      : refuse(`\`${command}\` ended with exit code ${result.exitCode}.`);
  }
  const scores = { passed: counts.passed, failed: counts.failed };
  // An agent that removed the tests has repaired nothing.
  if (total === 0) return { valid: false, score: 0, scores, notes: `\`${command}\` ran no test.` };
  const share = counts.passed / total;
  const notes = `${counts.passed} of ${total} tests pass`;
  if (result.exitCode === 0) return { valid: true, score: share, scores, notes: `${notes}.` };
  const failed = parseFailedTests(output, MAX_NAMED_FAILURES);
  return {
    valid: false,
    score: Math.min(share, MOST_OF_A_FAILURE),
    scores,
    notes: failed.length === 0 ? `${notes}; exit code ${result.exitCode}.` : `${notes}; failing: ${failed.join("; ")}.`,
  };
}
