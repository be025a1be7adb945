import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { shareServer } from "../../store/postgres/postgres-server.test.support.ts";
import { TcpProxy } from "../../store/postgres/tcp-proxy.test.support.ts";
import { openFleetQueue } from "./dbos/dbos-queue.ts";
import { createLocalQueue } from "./local-queue.ts";
import type { Job, JobStatus, QueueLimits, RunQueue, Taking } from "./run-queue.ts";

let url = "";
let count = 0;
beforeAll(async () => {
  url = await shareServer();
});

const queues: Record<string, () => Promise<RunQueue>> = {
  "in one process": async () => createLocalQueue(),
  "of a fleet": () => openFleetQueue(url, { schema: `queue_${process.pid}_${count++}` }),
};

/** Jobs that run until they are let go, and what was seen of them. */
class Floor {
  readonly started: string[] = [];
  readonly reasons: unknown[] = [];
  most = 0;
  #running = 0;
  readonly #doors = new Map<string, () => void>();
  #waiting: (() => void)[] = [];

  readonly run = async ({ id, input }: Job, signal: AbortSignal): Promise<void> => {
    this.started.push(id);
    this.#running += 1;
    this.most = Math.max(this.most, this.#running);
    for (const wake of this.#waiting.splice(0)) wake();
    try {
      if (input === "fail") throw new Error("it failed");
      if (input !== "quick") {
        await new Promise<void>((resolve, reject) => {
          this.#doors.set(id, resolve);
          signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        });
      }
    } catch (error) {
      this.reasons.push((error as Error).name);
      throw error;
    } finally {
      this.#running -= 1;
    }
  };

  letGo(id: string): void {
    this.#doors.get(id)?.();
  }

  async hasStarted(number: number): Promise<void> {
    while (this.started.length < number) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

async function isState(queue: RunQueue, id: string, state: JobStatus["state"]): Promise<JobStatus> {
  for (;;) {
    const found = (await queue.jobs()).find((job) => job.id === id);
    if (found?.state === state) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe.each(Object.keys(queues))("a queue %s", (kind) => {
  const open: RunQueue[] = [];
  afterEach(async () => {
    for (const queue of open.splice(0)) await queue.close();
  });

  const openQueue = async (): Promise<RunQueue> => {
    const queue = await (queues[kind] as () => Promise<RunQueue>)();
    open.push(queue);
    return queue;
  };
  const take = (queue: RunQueue, floor: Floor, limits: QueueLimits): Promise<Taking> =>
    queue.take({ workerId: `worker-${count++}`, limits, run: floor.run, onLost: () => {} });

  it("takes by priority, then by age, no more at a time than a worker may", async () => {
    const queue = await openQueue();
    const floor = new Floor();
    for (const [id, priority] of [
      ["late", 9],
      ["first", 1],
      ["second", 1],
      ["middle", 5],
    ] as const)
      await queue.add({ id, name: "x", priority });
    await take(queue, floor, { worker: 1 });
    for (const [index, id] of ["first", "second", "middle", "late"].entries()) {
      await floor.hasStarted(index + 1);
      expect(floor.started.at(-1)).toBe(id);
      floor.letGo(id);
      await isState(queue, id, "completed");
    }
    expect(floor.most).toBe(1);
  });

  it("keeps to the limit of each tenant, and lets the others pass", async () => {
    const queue = await openQueue();
    const floor = new Floor();
    for (let index = 0; index < 3; index++) await queue.add({ id: `a${index}`, name: "x", tenant: "a" });
    await queue.add({ id: "b0", name: "x", tenant: "b" });
    await take(queue, floor, { worker: 10, tenant: 1 });
    expect(await queue.limits()).toEqual({ worker: 10, tenant: 1 });
    await floor.hasStarted(2);
    expect(floor.started.toSorted()).toEqual(["a0", "b0"]);
    floor.letGo("a0");
    await floor.hasStarted(3);
    expect(floor.started.at(-1)).toBe("a1");
  });

  it("keeps to the limit of the whole fleet", async () => {
    const queue = await openQueue();
    const floor = new Floor();
    for (let index = 0; index < 3; index++) await queue.add({ id: `j${index}`, name: "x" });
    await take(queue, floor, { worker: 10, fleet: 2 });
    expect(await queue.limits()).toMatchObject({ fleet: 2 });
    await floor.hasStarted(2);
    const [first = ""] = floor.started;
    floor.letGo(first);
    await isState(queue, first, "completed");
    await floor.hasStarted(3);
    expect(floor.most).toBe(2);
  });

  it("never runs what was cancelled before it was taken, and stops what runs within seconds", async () => {
    const queue = await openQueue();
    const floor = new Floor();
    await queue.add({ id: "gone", name: "x" });
    expect(await queue.cancel("gone")).toBe(true);
    expect(await queue.cancel("gone")).toBe(false);
    expect(await queue.cancel("nobody")).toBe(false);
    await queue.add({ id: "runs", name: "x" });
    await take(queue, floor, {});
    await floor.hasStarted(1);
    const before = performance.now();
    expect(await queue.cancel("runs")).toBe(true);
    while (floor.reasons.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(floor.reasons).toEqual(["AbortError"]);
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(floor.started).toEqual(["runs"]);
    await isState(queue, "runs", "cancelled");
  });

  it("keeps what a job threw, and changes nothing where a job is added again", async () => {
    const queue = await openQueue();
    const floor = new Floor();
    await queue.add({ id: "bad", name: "x", input: "fail", tenant: "t", priority: 3 });
    await take(queue, floor, {});
    const failed = await isState(queue, "bad", "failed");
    expect(failed).toMatchObject({ name: "x", input: "fail", tenant: "t", priority: 3 });
    expect(failed.error).toContain("it failed");
    await queue.add({ id: "bad", name: "x", input: "quick" });
    expect(await isState(queue, "bad", "failed")).toMatchObject({ input: "fail" });
    await queue.add({ id: "good", name: "x", input: "quick" });
    await isState(queue, "good", "completed");
  });

  it("waits for what runs when it is told to end, takes nothing new, and says what it left", async () => {
    const queue = await openQueue();
    const floor = new Floor();
    for (const id of ["one", "two", "three"]) await queue.add({ id, name: "x" });
    const taking = await take(queue, floor, { worker: 2 });
    await floor.hasStarted(2);
    expect((await queue.workers())[0]?.jobs).toHaveLength(2);
    const [first = "", second = ""] = floor.started;
    const left = taking.drain(2_000);
    floor.letGo(first);
    expect(await left).toEqual([second]);
    expect(floor.started).toHaveLength(2);
  });
});

it("says that the database is away where a worker cannot begin, and lets it begin later", async () => {
  const schema = `queue_${process.pid}_${count++}`;
  const { proxy, url: through } = await TcpProxy.open(url);
  await using queue = await openFleetQueue(through, { schema });
  const floor = new Floor();
  const options = { workerId: "late", limits: {}, run: floor.run, onLost: () => {} };
  proxy.isStalled = true;
  proxy.cutAll();
  await expect(queue.take(options)).rejects.toMatchObject({ code: "store_failed", retryable: true });
  proxy.isStalled = false;
  const taking = await queue.take(options);
  await queue.add({ id: "after", name: "any", input: "quick" });
  await isState(queue, "after", "completed");
  await taking.drain(1_000);
  await proxy.close();
});
