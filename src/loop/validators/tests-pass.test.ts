import { describe, expect, it } from "vitest";
import type { Box, ExecOptions, ExecResult } from "../../sandbox/sandbox.ts";
import { parseFailedTests, parseTestCounts } from "./parse-test-counts.ts";
import { testsPass } from "./tests-pass.ts";

const OUTPUTS: readonly [string, string, { passed: number; failed: number } | undefined][] = [
  [
    "node:test as TAP",
    "not ok 1 - adds\n# tests 4\n# pass 3\n# fail 1\n# cancelled 0\n# skipped 2\n",
    { passed: 3, failed: 1 },
  ],
  ["node:test as spec", "✖ adds (1.2ms)\nℹ tests 4\nℹ pass 2\nℹ fail 1\nℹ cancelled 1\n", { passed: 2, failed: 2 }],
  ["two node:test runs", "# pass 3\n# fail 0\n# pass 2\n# fail 1\n", { passed: 5, failed: 1 }],
  ["vitest", " Test Files  1 failed | 1 passed (2)\n      Tests  1 failed | 3 passed (4)\n", { passed: 3, failed: 1 }],
  [
    "vitest in colour",
    "\u001b[2m      Tests \u001b[22m \u001b[1m\u001b[32m4 passed\u001b[39m\u001b[22m (4)\n",
    { passed: 4, failed: 0 },
  ],
  ["jest", "Tests:       1 failed, 3 passed, 4 total\n", { passed: 3, failed: 1 }],
  ["mocha", "\n  3 passing (5ms)\n  1 failing\n", { passed: 3, failed: 1 }],
  ["ava", "  2 tests passed\n  1 test failed\n", { passed: 2, failed: 1 }],
  ["jasmine", "5 specs, 2 failures\n", { passed: 3, failed: 2 }],
  ["plain TAP", "TAP version 13\nok 1 - a\nnot ok 2 - b\n1..2\n", { passed: 1, failed: 1 }],
  ["nothing that is known", "all good\n", undefined],
  ["windows line ends", "# pass 1\r\n# fail 0\r\n", { passed: 1, failed: 0 }],
];

describe("parseTestCounts", () => {
  it.each(OUTPUTS)("reads %s", (_runner, output, counts) => {
    expect(parseTestCounts(output)).toEqual(counts);
  });

  it("names the failed tests once, without files and headings", () => {
    const output =
      "✖ adds two numbers (0.8ms)\n✖ failing tests:\n✖ adds two numbers (0.8ms)\nnot ok 1 - /w/test/a.test.js\nnot ok 2 - wraps\n";
    expect(parseFailedTests(output, 5)).toEqual(["adds two numbers", "wraps"]);
  });
});

function boxThatAnswers(
  result: Partial<ExecResult>,
  seen: { command?: readonly string[]; options?: ExecOptions } = {},
): Box {
  return {
    id: "box_test",
    async *streamPrompt() {},
    async exec(command, options) {
      seen.command = command;
      if (options !== undefined) seen.options = options;
      return { exitCode: 0, stdout: "", stderr: "", ...result };
    },
    async delete() {},
  };
}

const { signal } = new AbortController();

describe("testsPass", () => {
  it("is valid with score 1 when the command succeeds and all tests pass", async () => {
    const seen: { command?: readonly string[] } = {};
    const verdict = await testsPass().validate(undefined, {
      iteration: 0,
      box: boxThatAnswers({ stdout: "# pass 4\n# fail 0\n" }, seen),
      signal,
    });
    expect(verdict).toEqual({ valid: true, score: 1, scores: { passed: 4, failed: 0 }, notes: "4 of 4 tests pass." });
    expect(seen.command).toEqual(["npm", "test"]);
  });

  it("scores the share of passing tests and names the failing ones", async () => {
    const box = boxThatAnswers({ exitCode: 1, stdout: "not ok 1 - wraps\n# pass 3\n# fail 1\n" });
    const verdict = await testsPass({ command: "make check" }).validate(undefined, { iteration: 0, box, signal });
    expect(verdict).toMatchObject({ valid: false, score: 0.75, notes: "3 of 4 tests pass; failing: wraps." });
  });

  it("runs a command line in a shell, with its time limit", async () => {
    const seen: { command?: readonly string[]; options?: ExecOptions } = {};
    await testsPass({ command: "make check && true", timeoutMs: 5000 }).validate(undefined, {
      iteration: 0,
      box: boxThatAnswers({}, seen),
      signal,
    });
    expect(seen.command).toEqual(["sh", "-c", "make check && true"]);
    expect(seen.options?.timeoutMs).toBe(5000);
  });

  it.each([
    ["tests that never end", { exitCode: 124, timedOut: true }, "did not end within 5 s"],
    ["tests that print too much", { exitCode: 137, truncated: true }, "printed more than 10 MiB"],
    ["a command that is not there", { exitCode: 127 }, "no such program"],
    ["a failure without a summary", { exitCode: 3 }, "exit code 3"],
    ["a run without any test", { exitCode: 0, stdout: "# tests 0\n# pass 0\n# fail 0\n" }, "ran no test"],
  ])("refuses %s with score 0", async (_what, result, notes) => {
    const verdict = await testsPass({ command: "npm test", timeoutMs: 5000 }).validate(undefined, {
      iteration: 0,
      box: boxThatAnswers(result),
      signal,
    });
    expect(verdict).toMatchObject({ valid: false, score: 0 });
    expect(verdict.notes).toContain(notes);
  });

  it("does not take a command that fails after all tests passed for a full success", async () => {
    const box = boxThatAnswers({ exitCode: 1, stdout: "# pass 4\n# fail 0\n" });
    expect((await testsPass().validate(undefined, { iteration: 0, box, signal })).score).toBeLessThan(1);
  });

  it("passes an abort on instead of judging a command that was cut short", async () => {
    const controller = new AbortController();
    controller.abort();
    const verdict = testsPass().validate(undefined, {
      iteration: 0,
      box: boxThatAnswers({ exitCode: 137 }),
      signal: controller.signal,
    });
    await expect(verdict).rejects.toMatchObject({ name: "AbortError" });
  });

  it("refuses a box that cannot run commands, and options that make no sense", async () => {
    const box: Box = { id: "box_test", async *streamPrompt() {}, async delete() {} };
    await expect(testsPass().validate(undefined, { iteration: 0, box, signal })).rejects.toMatchObject({
      code: "invalid_option",
    });
    expect(() => testsPass({ timeoutMs: 0 })).toThrow(/positive number/);
    expect(() => testsPass({ command: "" })).toThrow(/empty/);
  });
});
