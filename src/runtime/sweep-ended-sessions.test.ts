import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { EventBody } from "../event/event.ts";
import { FORK_POINT_TAG } from "../loop/keep-boxes.ts";
import type { LocalSandboxClient } from "../sandbox/local/index.ts";
import { openLocalSandbox } from "../sandbox/local/index.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import { sweepEndedSessions } from "./sweep-ended-sessions.ts";

let directory: string;
let client: LocalSandboxClient;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "skein-sweep-"));
  client = await openLocalSandbox({ directory, containment: "none" });
});
afterEach(async () => {
  for (const { id } of await client.list()) await (await client.attach(id))?.delete();
  await client.close();
  await rm(directory, { recursive: true, force: true });
});

const start = (kind: "task" | "loop"): EventBody => ({ type: "run.started", kind, task: "x" });
const final = (status: "completed" | "interrupted"): EventBody => ({
  type: "final",
  status,
  reason: status,
  usage: {},
  durationMs: 0,
});

it("B3: deletes what sessions that have ended left, and keeps what a loop could go on from", async () => {
  const store = await openMemoryStore();
  const sessions = [
    { id: "task_interrupted", kind: "task", ends: "interrupted", boxStays: false, checkpointStays: false },
    { id: "loop_completed", kind: "loop", ends: "completed", boxStays: false, checkpointStays: false },
    { id: "loop_interrupted", kind: "loop", ends: "interrupted", boxStays: true, checkpointStays: true },
    { id: "loop_running", kind: "loop", ends: undefined, boxStays: true, checkpointStays: true },
  ] as const;
  const boxes = new Map<string, string>();
  const checkpoints = new Map<string, string>();
  for (const { id, kind, ends } of sessions) {
    await store.create({ id, kind });
    await using writer = await store.openWriter(id);
    await writer.append([start(kind), ...(ends === undefined ? [] : [final(ends)])]);
    const box = await client.create({
      profile: { name: "scripted", agent: "scripted" },
      labels: { "skein.session": id },
    });
    boxes.set(id, box.id);
    checkpoints.set(id, (await box.checkpoint?.({ mode: "files" }))?.checkpointId ?? "");
  }
  const completed = await client.attach(boxes.get("loop_completed") as string);
  const forkPoint = (await completed?.checkpoint?.({ mode: "files", tags: [FORK_POINT_TAG] }))?.checkpointId;

  await sweepEndedSessions(client, store);

  const left = new Set((await client.list()).map(({ id }) => id));
  const kept = new Set((await client.listCheckpoints()).map(({ id }) => id));
  for (const { id, boxStays, checkpointStays } of sessions) {
    expect(left.has(boxes.get(id) as string), `the box of ${id}`).toBe(boxStays);
    expect(kept.has(checkpoints.get(id) as string), `the checkpoint of ${id}`).toBe(checkpointStays);
  }
  expect(kept.has(forkPoint as string), "a fork point outlives its loop").toBe(true);
});
