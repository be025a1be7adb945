import { describe, expect, it } from "vitest";
import { SandboxError } from "../errors.ts";
import type { ScriptedSandbox } from "../testing/scripted-sandbox.ts";
import { createScriptedSandbox } from "../testing/scripted-sandbox.ts";
import type { LineageEventBody, SandboxLineage, SandboxLineageOptions } from "./sandbox-lineage.ts";
import { createSandboxLineage } from "./sandbox-lineage.ts";

const CANNOT_FORK = { canFork: false, reason: "the sandbox cannot fork" };
const fresh = { profile: { name: "scripted" } };
const quota = (): SandboxError => new SandboxError("box_create_failed", "The quota is used up.", { retryable: true });

interface Setting {
  readonly client: ScriptedSandbox;
  readonly lineage: SandboxLineage;
  readonly waits: number[];
  readonly events: LineageEventBody[];
  readonly creations: () => number;
}

/** A client whose first creations fail, and a clock that does not wait. */
function settingWith(failures: readonly Error[], options: SandboxLineageOptions = {}): Setting {
  const left = [...failures];
  const waits: number[] = [];
  const events: LineageEventBody[] = [];
  const client = createScriptedSandbox({
    before({ method }) {
      const failure = method === "create" ? left.shift() : undefined;
      if (failure !== undefined) throw failure;
    },
  });
  const lineage = createSandboxLineage(client, CANNOT_FORK, {
    record: (body) => events.push(body),
    delay: async (ms) => void waits.push(ms),
    random: () => 1,
    ...options,
  });
  return {
    client,
    lineage,
    waits,
    events,
    creations: () => client.calls.filter(({ method }) => method === "create").length,
  };
}

describe("the creation of a box", () => {
  it("is tried again after growing waits where the failure is retryable, and each failed try is on record", async () => {
    const { lineage, client, waits, events } = settingWith([quota(), quota()]);
    const place = await lineage.start(fresh, { index: 3 });
    expect(client.alive).toEqual(new Set([place.branch.box.id]));
    expect(waits).toEqual([500, 1000]);
    const error = { name: "SandboxError", message: "The quota is used up.", code: "box_create_failed" };
    expect(events).toMatchObject([
      { type: "custom", name: "box.create-retried", data: { attempt: 1, waitMs: 500, error, index: 3 } },
      { type: "custom", name: "box.create-retried", data: { attempt: 2, waitMs: 1000, error, index: 3 } },
      { type: "box.created", boxId: place.branch.box.id, index: 3 },
    ]);
    await lineage.teardown();
  });

  it("draws the waits from their upper half, so that branches do not come back together", async () => {
    const { lineage, waits } = settingWith([quota(), quota()], { random: () => 0 });
    await lineage.start(fresh);
    expect(waits).toEqual([250, 500]);
  });

  it("waits for a quota as often as it takes, at most half a minute at a time", async () => {
    const full = (): Error => new SandboxError("box_quota", "The quota is used up.");
    const tooMany = (): Error => Object.assign(new Error("429 Too Many Requests"), { status: 429 });
    const failures = Array.from({ length: 12 }, (_, index) => (index % 2 === 0 ? full() : tooMany()));
    const { lineage, client, waits, creations } = settingWith(failures);
    await lineage.start(fresh);
    expect(creations()).toBe(13);
    expect(waits.slice(0, 8)).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    expect(client.alive.size).toBe(1);
    await lineage.teardown();
  });

  it("K11: waits for a quota no longer than it may", async () => {
    const full = (): Error => new SandboxError("box_quota", "The quota is used up.");
    let left = 1_200;
    const waited: number[] = [];
    const { lineage, creations } = settingWith(Array.from({ length: 9 }, full), {
      delay: async (ms) => {
        waited.push(ms);
        left -= ms;
      },
    });
    await expect(lineage.start(fresh, { remainingMs: () => left })).rejects.toMatchObject({ code: "box_quota" });
    expect(waited).toEqual([500, 700]);
    expect(creations()).toBe(3);
  });

  it("K3: an abort ends the wait for a quota", async () => {
    const stop = new AbortController();
    const full = (): Error => new SandboxError("box_quota", "The quota is used up.");
    const { lineage } = settingWith(Array.from({ length: 9 }, full), {
      delay: async () => stop.abort(),
    });
    await expect(lineage.start(fresh, { signal: stop.signal })).rejects.toMatchObject({ name: "AbortError" });
  });

  it("K4: fails with the third failure", async () => {
    const { lineage, creations } = settingWith([quota(), quota(), quota(), quota()]);
    await expect(lineage.start(fresh)).rejects.toMatchObject({ code: "box_create_failed" });
    expect(creations()).toBe(3);
  });

  it.each([
    ["that cannot be retried", new SandboxError("box_create_failed", "There is no such image.")],
    ["of the client itself", new TypeError("fetch failed")],
  ])("K4: fails at once with a failure %s", async (_which, failure) => {
    const { lineage, creations, waits } = settingWith([failure]);
    await expect(lineage.start(fresh)).rejects.toBe(failure);
    expect([creations(), waits]).toEqual([1, []]);
  });

  it("is tried again for a branch that has to start fresh", async () => {
    const { lineage, events } = settingWith([]);
    const parent = await lineage.start(fresh);
    const flaky = settingWith([quota()]);
    const root = flaky.lineage.adopt({ boxId: parent.branch.box.id, mode: "fresh" }, parent.branch.box);
    const child = await flaky.lineage.fork(root, { fresh });
    expect(child.branch.mode).toBe("fresh");
    expect(flaky.events.map(({ type }) => type)).toEqual(["custom", "box.forked"]);
    await flaky.lineage.teardown();
    expect(events.map(({ type }) => type)).toEqual(["box.created"]);
  });

  it("K3: is not tried again once the loop is aborted, neither before nor during the wait", async () => {
    const before = new AbortController();
    const early = settingWith([quota()], { delay: () => Promise.reject(new Error("it should not wait")) });
    const starting = early.lineage.start(fresh, { signal: before.signal });
    before.abort();
    await expect(starting).rejects.toMatchObject({ name: "AbortError" });

    const during = new AbortController();
    const late = settingWith([quota()], { delay: async () => during.abort() });
    await expect(late.lineage.start(fresh, { signal: during.signal })).rejects.toMatchObject({ name: "AbortError" });
    expect(late.creations()).toBe(1);
    expect(late.client.alive.size).toBe(0);
  });

  it("K3: ends a real wait with the signal", async () => {
    const controller = new AbortController();
    const { client, events } = settingWith([quota()]);
    const lineage = createSandboxLineage(client, CANNOT_FORK, {
      record: (body) => (events.push(body), controller.abort()),
    });
    await expect(lineage.start(fresh, { signal: controller.signal })).rejects.toMatchObject({ name: "AbortError" });
    expect(events).toHaveLength(1);
  });

  it("K2: holds no slot while it waits, so that deletions can make room", async () => {
    let full = true;
    const events: string[] = [];
    const crowded = createScriptedSandbox({
      before({ method }) {
        if (method === "delete") full = false;
        if (method === "create" && full && crowded.alive.size > 0) throw quota();
      },
    });
    const lineage: SandboxLineage = createSandboxLineage(crowded, CANNOT_FORK, {
      maxConcurrency: 1,
      record: ({ type }) => events.push(type),
      delay: async () => lineage.release(first, "makes room"),
    });
    const first = await lineage.start(fresh);
    await lineage.start(fresh);
    expect(events).toEqual(["box.created", "custom", "box.deleted", "box.created"]);
    await lineage.teardown();
  });
});
