import { expect, it } from "vitest";
import { ValidationError } from "../../errors.ts";
import { openMemoryStore } from "../../store/memory/index.ts";
import { createLocalQueue } from "./local-queue.ts";
import type { JobContext } from "./worker.ts";
import { runWorker } from "./worker.ts";

it("a job that failed because one of its sessions is there already has failed, however often it is looked at", async () => {
  await using store = await openMemoryStore();
  await using queue = createLocalQueue();
  const stop = new AbortController();
  let runs = 0;
  const clash = async ({ sessionId, store: log }: JobContext): Promise<void> => {
    runs++;
    await log.create({ id: sessionId, kind: "loop" });
    await using writer = await log.openWriter(sessionId);
    await writer.append([{ type: "run.started", kind: "loop", task: 1 }]);
    const message = "There is a session job.0 already.";
    const error = { kind: "validation" as const, name: "ValidationError", code: "session_exists", message };
    await writer.append([
      { type: "final", status: "failed", reason: "session_exists", error, usage: {}, durationMs: 1 },
    ]);
    throw new ValidationError("session_exists", message);
  };
  await queue.add({ id: "job", name: "clash" });
  await runWorker({
    queue,
    store,
    jobs: { clash },
    signal: stop.signal,
    onNote: ({ note }) => {
      if (note === "job.ended") stop.abort();
    },
  });
  expect((await queue.jobs())[0]).toMatchObject({ id: "job", state: "failed" });
  expect(runs).toBe(1);
});
