import { defineConfig } from "vitest/config";

const timeouts = { testTimeout: 30_000, hookTimeout: 30_000 };

// A file that counts are read from afterwards.
const report = process.env["SKEIN_TEST_REPORT"];

// Tests run on what `tsc` built: worker threads, boxd and the CLI are then the files that a user gets.
// Those that cross folders stand in test/ and import the package by its name, as a user does.
export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
    projects: [
      {
        test: {
          ...timeouts,
          name: "unit",
          include: ["dist/**/*.test.js", "test/**/*.test.ts"],
          exclude: ["test/{agents,chaos,crash,e2e,package}/**"],
        },
      },
      { test: { ...timeouts, name: "crash", include: ["test/crash/**/*.test.ts"], testTimeout: 600_000 } },
      { test: { ...timeouts, name: "agents", include: ["test/agents/**/*.test.ts"], testTimeout: 300_000 } },
      { test: { ...timeouts, name: "chaos", include: ["test/chaos/**/*.test.ts"], testTimeout: 900_000 } },
      { test: { ...timeouts, name: "e2e", include: ["test/{e2e,package}/**/*.test.ts"], testTimeout: 600_000 } },
    ],
  },
});
