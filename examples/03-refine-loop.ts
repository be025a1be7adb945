/**
 * Repairs a small package: the agent that comes with Skein works in a box on this machine, the package's own tests are the judge,
 * and the driver `refine` asks again until they pass. The result is a patch; the files here are not touched.
 */
import { openMemoryStore, refine, runLoop, testsPass, workspacePatch } from "skein";
import type { WorkspacePatch } from "skein";
import { openLocalSandbox } from "skein/sandbox/local";

const files = [
  { path: "package.json", data: JSON.stringify({ name: "stack", type: "module", scripts: { test: "node --test" } }) },
  {
    path: "stack.js",
    data: [
      "export const push = (stack, item) => [...stack, item];",
      "export const top = (stack) => stack[stack.length];", // the bug: the last item is at length - 1
      "",
    ].join("\n"),
  },
  {
    path: "stack.test.js",
    data: [
      'import assert from "node:assert/strict";',
      'import { test } from "node:test";',
      'import { push, top } from "./stack.js";',
      'test("the top is what was pushed last", () => assert.equal(top(push(["a"], "b")), "b"));',
      'test("an empty stack has no top", () => assert.equal(top([]), undefined));',
      "",
    ].join("\n"),
  },
];

await using store = await openMemoryStore();
await using sandboxClient = await openLocalSandbox({ directory: "boxes" });
const result = await runLoop<string, WorkspacePatch, string>({
  task: "Make the tests pass.",
  driver: refine(),
  agentRun: { profile: { name: "repair" }, taskToPrompt: (task) => task, box: { files } },
  output: workspacePatch(),
  validator: testsPass(),
  sandboxClient,
  store,
  maxIterations: 3,
});

console.log(`${result.status}, score ${result.winner?.verdict?.score}`);
console.log(result.winner?.output.patch);

// prints: completed, score 1
// prints: -export const top = (stack) => stack[stack.length];
