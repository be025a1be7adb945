import { defineConfig } from "vitest/config";

// Tests run on what `tsc` built: worker threads, boxd and the CLI are then the files that a user gets.
export default defineConfig({
  test: {
    include: ["dist/**/*.test.js"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
  },
});
