import { describe, expect, it } from "vitest";
import { parseTestOutput } from "./parse-test-output.ts";
import { isBetter, type TestReport } from "./test-report.ts";

const TAP = `TAP version 13
# Subtest: suite
    # Subtest: works
    ok 1 - works
      ---
      duration_ms: 1.2
      ...
    # Subtest: fails
    not ok 2 - fails
      ---
      duration_ms: 0.9
      location: '/srv/p/test/a.test.js:3:1'
      error: |-
        Expected values to be strictly equal:

        2 !== 3

      name: 'AssertionError'
      expected: 3
      actual: 2
      stack: |-
        TestContext.<anonymous> (file:///srv/p/test/a.test.js:3:26)
      ...
    # Subtest: later
    ok 3 - later # SKIP
    1..3
not ok 1 - suite
  ---
  type: 'suite'
  failureType: 'subtestsFailed'
  error: '1 subtest failed'
  ...
1..1
# tests 2
# pass 1
# fail 1
# cancelled 0
`;

describe("parseTestOutput", () => {
  it("reads what node --test writes, each test by its full name", () => {
    const report = parseTestOutput(TAP, 1);
    expect(report).toMatchObject({ passed: 1, failed: 1, counted: true });
    expect([...(report.tests ?? [])]).toEqual([
      ["suite > works", true],
      ["suite > fails", false],
    ]);
    expect(report.failures).toHaveLength(1);
    expect(report.failures[0]).toMatchObject({
      name: "suite > fails",
      expected: "3",
      actual: "2",
      file: "/srv/p/test/a.test.js",
    });
    expect(report.failures[0]?.message).toContain("2 !== 3");
  });

  it.each([
    [
      "tape",
      "TAP version 13\n# adds\nok 1 should be equal\nnot ok 2 should be equal\n  ---\n    operator: equal\n  ...\n\n1..2\n# tests 2\n# pass  1\n# fail  1\n",
      1,
      1,
    ],
    [
      "node:test in colour",
      "\u001b[34mℹ tests 4\u001b[39m\n\u001b[34mℹ pass 3\u001b[39m\n\u001b[34mℹ fail 1\u001b[39m\n",
      3,
      1,
    ],
    ["mocha", "\n  5 passing (12ms)\n  2 failing\n", 5, 2],
    ["jest", "Tests:       1 failed, 1 skipped, 3 passed, 5 total\n", 3, 1],
    ["vitest", " Test Files  1 failed (1)\n      Tests  2 failed | 7 passed (9)\n", 7, 2],
    ["ava", "  2 tests passed\n  1 test failed\n", 2, 1],
    ["uvu", "  Total:     4\n  Passed:    3\n", 3, 1],
    ["jasmine", "5 specs, 1 failure\n", 4, 1],
  ])("reads what %s writes", (_runner, output, passed, failed) => {
    expect(parseTestOutput(output, 1)).toMatchObject({ passed, failed, counted: true });
  });

  it("goes by the exit code where no count is recognisable", () => {
    expect(parseTestOutput("all is well\n", 0)).toMatchObject({ passed: 1, failed: 0, counted: false });
    expect(parseTestOutput("Error: not 5\n", 1)).toMatchObject({ passed: 0, failed: 1, counted: false });
  });

  it("does not believe a count without failures from a run that failed", () => {
    expect(parseTestOutput("  5 passing (12ms)\n", 7)).toMatchObject({ passed: 5, failed: 1 });
  });
});

describe("isBetter", () => {
  const toReport = (tests: Record<string, boolean>): TestReport => {
    const results = Object.values(tests);
    const passed = results.filter(Boolean).length;
    return {
      passed,
      failed: results.length - passed,
      counted: true,
      tests: new Map(Object.entries(tests)),
      failures: [],
    };
  };

  it("asks for more passing tests, and that none of those that passed fails or is gone", () => {
    const before = toReport({ a: true, b: false, c: false });
    expect(isBetter(toReport({ a: true, b: true, c: false }), before)).toBe(true);
    expect(isBetter(toReport({ a: true, b: false, c: false }), before)).toBe(false);
    expect(isBetter(toReport({ a: false, b: true, c: true }), before)).toBe(false);
    expect(isBetter(toReport({ b: true, c: true }), before)).toBe(false);
  });
});
