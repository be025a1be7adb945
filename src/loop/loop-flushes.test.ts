import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { SandboxClient } from "../sandbox/sandbox.ts";
import { openSqliteStore } from "../store/sqlite/index.ts";
import { runLoop } from "./run-loop.ts";

const client: SandboxClient = {
  async create() {
    return {
      id: "box",
      async *streamPrompt(prompt) {
        yield { type: "text.delta", text: prompt };
      },
      async delete() {},
    };
  },
};

afterEach(() => void vi.restoreAllMocks());

/** How many transactions the thread that writes is asked for, each with one flush at its end, in a loop of so many iterations. */
async function countTransactions(folder: string, iterations: number): Promise<number> {
  const store = await openSqliteStore(join(folder, `${iterations}.db`));
  const post = vi.spyOn(Worker.prototype, "postMessage");
  await runLoop({
    task: "step",
    driver: { plan: (task: string) => [task], decide: (history) => (history.length < iterations ? "go on" : "done") },
    agentRun: { profile: { name: "echo" }, taskToPrompt: (task) => task },
    output: { parse: (events) => events.length },
    validator: { validate: () => ({ valid: true, score: 1 }) },
    sandboxClient: client,
    store,
    maxIterations: iterations,
  });
  const count = post.mock.calls.filter(([message]) => (message as { type: string }).type === "commit").length;
  post.mockRestore();
  await store.close();
  return count;
}

describe("the transactions of a loop", () => {
  it("an iteration whose agent answers at once costs three flushes", async () => {
    const folder = await mkdtemp(join(tmpdir(), "skein-flushes-"));
    try {
      const [few, many] = [await countTransactions(folder, 10), await countTransactions(folder, 30)];
      expect((many - few) / 20).toBe(3);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
