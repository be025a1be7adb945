import { afterEach, beforeAll, expect, it, vi } from "vitest";
import { runLoop } from "../../dist/index.js";
import { PostgresDatabase } from "../../dist/store/postgres/postgres-database.js";
import { openPostgresStore } from "../../dist/store/postgres/index.js";
import { shareServer } from "../../dist/store/postgres/postgres-server.test.support.js";

let url = "";
beforeAll(async () => {
  url = await shareServer();
});
afterEach(() => void vi.restoreAllMocks());

it("a loop whose agent answers at once costs three statements an iteration on Postgres, one before and one after, and no reading", async () => {
  const iterations = 20;
  await using store = await openPostgresStore(url, { schema: `statements_${process.pid}` });
  const queries = vi.spyOn(PostgresDatabase.prototype, "query");
  // Notifications and the renewal of leases go beside the appends; nobody waits for them.
  const sent = () => queries.mock.calls.filter(([, sql]) => !/pg_notify|WITH held/.test(sql));
  const seen: number[] = [];
  await runLoop({
    task: "step",
    driver: {
      plan: (task: string) => [task],
      decide: (history) => {
        seen.push(sent().length);
        return history.length < iterations ? "go on" : "done";
      },
    },
    agentRun: { profile: { name: "echo" }, taskToPrompt: (task) => task },
    output: { parse: (events) => events.length },
    validator: { validate: () => ({ valid: true, score: 1 }) },
    sandboxClient: {
      async create() {
        return {
          id: "box",
          async *streamPrompt(prompt: string) {
            yield { type: "text.delta", text: prompt };
          },
          async delete() {},
        };
      },
    },
    store,
    maxIterations: iterations,
  });
  const whole = sent().length;
  const each = seen.slice(1).map((count, index) => count - (seen[index] as number));
  // A machine that is very busy cuts an append in two now and then: the fewest are what the iteration needs.
  expect(Math.min(...each)).toBe(3);
  expect(Math.max(...each)).toBeLessThanOrEqual(8);
  // The loop begins with one append beside those of its first iteration, and its last events are one with the end of its lease.
  expect(seen[0]).toBeLessThanOrEqual(9);
  expect(whole - (seen.at(-1) as number)).toBeLessThanOrEqual(2);
  expect(sent().map(([lane]) => lane)).toEqual(Array.from({ length: whole }, () => "append"));
});
