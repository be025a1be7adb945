// Adds up the reports of several test runs and ends with one line of counts.
// Whatever a test may be skipped for is there where this runs, so a skipped test counts as failed unless it stands here with its reason.
import { existsSync, readFileSync } from "node:fs";

const EXPECTED_SKIPS = [
  { title: /\bopened again\b/, reason: "a memory store has nothing to open again" },
  { title: /\bforks\b/, reason: "that sandbox says that it cannot fork" },
  { title: /\bcheckpoints that travel\b/, reason: "that sandbox's checkpoints stay on their machine" },
  { title: /\bReserved subscription APIs\b/, reason: "an extension that is not part of the protocol's core" },
  { title: /\bsystemd's own verifier$/, reason: "there is no systemd on this machine" },
  {
    title: /^boxes of an ordinary user /,
    reason: "only root may make namespaces, or execute this Node, on this machine",
  },
  { title: /^scripted boxes as a sandbox client /, reason: "boxes in memory run no processes" },
];

const counts = { passed: 0, failed: 0, skipped: 0 };

/** Enough of a failure to begin with, at the end of the output where one looks first. */
const firstLines = (messages) => messages.join("\n").split("\n").slice(0, 12).join("\n");

function count(test) {
  if (test.status === "passed" || test.status === "failed") {
    counts[test.status]++;
    if (test.status === "failed") console.log(`failed: ${test.fullName}\n${firstLines(test.failureMessages)}`);
    return;
  }
  const expected = EXPECTED_SKIPS.find(({ title }) => title.test(test.fullName));
  counts[expected === undefined ? "failed" : "skipped"]++;
  console.log(`skipped: ${test.fullName} (${expected?.reason ?? "for no reason that is known here"})`);
}

for (const path of process.argv.slice(2)) {
  const report = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
  if (report === undefined || report.testResults.length === 0) {
    counts.failed++;
    console.log(`no test ran: ${path}`);
  }
  for (const file of report?.testResults ?? []) {
    if (file.status === "failed" && file.assertionResults.length === 0) {
      counts.failed++;
      console.log(`did not run: ${file.name}`);
    }
    for (const test of file.assertionResults) count(test);
  }
}

console.log(`tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
if (counts.failed > 0) process.exitCode = 1;
