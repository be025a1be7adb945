// Adds up the reports of several test runs, names every skipped test, and ends with one line of counts.
// A skipped test that names something of SKEIN_REQUIRE in its title counts as failed: that thing was promised to be here.
import { readFileSync } from "node:fs";

const required = (process.env.SKEIN_REQUIRE ?? "").split(",").filter((name) => name !== "");
const counts = { passed: 0, failed: 0, skipped: 0 };

for (const path of process.argv.slice(2)) {
  const report = JSON.parse(readFileSync(path, "utf8"));
  for (const file of report.testResults) {
    if (file.status === "failed" && file.assertionResults.length === 0) counts.failed++;
    for (const test of file.assertionResults) {
      const missed = required.find((name) => test.fullName.toLowerCase().includes(name.toLowerCase()));
      if (test.status === "passed") counts.passed++;
      else if (test.status === "failed") counts.failed++;
      else if (missed !== undefined) {
        counts.failed++;
        console.error(`skipped although ${missed} is required here: ${test.fullName}`);
      } else {
        counts.skipped++;
        console.log(`skipped: ${test.fullName}`);
      }
    }
  }
}

console.log(`tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
if (counts.failed > 0 || counts.passed === 0) process.exitCode = 1;
