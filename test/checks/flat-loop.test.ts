import { openMemoryStore, runLoop } from "skein";
import type { Box, Driver, SandboxClient, SessionStore, SessionWriter } from "skein";
import { expect, it } from "vitest";

/** Counts what is asked of a store, and how many events are read back or written. */
function countWork<T extends object>(target: T, work: Map<string, number>): T {
  const add = (name: string, count = 1): void => void work.set(name, (work.get(name) ?? 0) + count);
  return new Proxy(target, {
    get(inner, key) {
      const value: unknown = Reflect.get(inner, key, inner);
      if (typeof value !== "function" || typeof key !== "string") return value;
      return (...args: unknown[]): unknown => {
        add(key);
        if (key === "append") add("appended events", (args[0] as readonly unknown[]).length);
        const result: unknown = Reflect.apply(value, inner, args);
        if (key === "openWriter") return (result as Promise<SessionWriter>).then((writer) => countWork(writer, work));
        if (key === "read" || key === "tail")
          return countEach(result as AsyncIterable<unknown>, () => add("read events"));
        return result;
      };
    },
  });
}

async function* countEach<T>(items: AsyncIterable<T>, seen: () => void): AsyncGenerator<T> {
  for await (const item of items) {
    seen();
    yield item;
  }
}

it("K12: the kernel asks the store for the same work in the hundredth iteration as in the third", async () => {
  const ITERATIONS = 100;
  const work = new Map<string, number>();
  const before: Record<string, number>[] = [];
  const driver: Driver<string, string, string> = {
    plan(task, history) {
      before.push(Object.fromEntries(work));
      return history.length < ITERATIONS ? [task] : [];
    },
    decide: () => "continue",
  };
  const sandboxClient: SandboxClient = {
    async create(): Promise<Box> {
      return {
        id: `box-${before.length}`,
        async *streamPrompt(prompt) {
          yield { type: "text.delta", text: prompt };
        },
        async delete() {},
      };
    },
  };
  const store: SessionStore = countWork(await openMemoryStore(), work);
  await runLoop<string, string, string>({
    task: "again",
    driver,
    agentRun: { profile: { name: "echo" }, taskToPrompt: (task) => task },
    output: { parse: () => "done" },
    sandboxClient,
    store,
    maxIterations: ITERATIONS + 1,
  });
  /** The work of the iterations from the one to the other. */
  const between = (first: number, last: number): Record<string, number> =>
    Object.fromEntries(
      Object.entries(before[last] ?? {}).map(([name, count]) => [name, count - (before[first]?.[name] ?? 0)]),
    );
  expect(before.length).toBeGreaterThan(ITERATIONS);
  const early = between(2, 12);
  const late = between(88, 98);
  expect(early["appended events"]).toBeGreaterThan(50);
  // How events fall into batches, and whether the last decision is on its way when the next plan is asked for, is a matter of timing.
  const { append: _early, "appended events": earlyEvents = 0, ...earlyWork } = early;
  const { append: _late, "appended events": lateEvents = 0, ...lateWork } = late;
  expect(lateWork).toEqual(earlyWork);
  expect(Math.abs(lateEvents - earlyEvents)).toBeLessThanOrEqual(2);
});
