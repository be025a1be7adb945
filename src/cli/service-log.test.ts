import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { SandboxError } from "../errors.ts";
import type { LogFormat, ServiceLog } from "./service-log.ts";
import { createServiceLog, toErrorFields } from "./service-log.ts";
import { createTerminal } from "./terminal.ts";

const KEY_SHAPE = `sk-ant-${"a1B2c3D4".repeat(6)}`;

const env = {
  MODEL_API_KEY: "planted-model-key",
  SKEIN_DATABASE: "postgres://skein:planted%40password@db.internal/agents",
  HARMLESS: "agents",
};

function openLog(format: LogFormat, secrets: readonly string[] = []): { log: ServiceLog; said: () => string } {
  const stream = new PassThrough() as unknown as NodeJS.WriteStream;
  const terminal = createTerminal({ stdout: stream, stderr: stream, env, argv: ["--no-color"] });
  const log = createServiceLog({ terminal, env, now: () => 1_000 }, { format, secrets });
  return { log, said: () => String((stream as unknown as PassThrough).read() ?? "") };
}

it("writes one JSON object a line, with what programs read of it", () => {
  const { log, said } = openLog("json");
  log.say("info", "job.ended", "job_1 completed\n\u001B[31mred", { jobId: "job_1", count: 2, absent: undefined });
  expect(said()).toBe(
    '{"time":"1970-01-01T00:00:01.000Z","level":"info","event":"job.ended","message":"job_1 completed red","jobId":"job_1","count":2}\n',
  );
});

it("writes the sentence alone for people", () => {
  const { log, said } = openLog("text");
  log.say("info", "job.ended", "job_1 completed", { jobId: "job_1" });
  expect(said()).toBe("job_1 completed\n");
});

it.each(["text", "json"] as const)("writes no secret as %s, wherever it stands", (format) => {
  const { log, said } = openLog(format, ["planted-token", "postgres://a:planted-in-option@db/x"]);
  const error = new Error(`no answer from https://user:planted-anywhere@host/x for ${env.SKEIN_DATABASE}`);
  log.say("error", "request.failed", `${error.message} planted-token`, {
    ...toErrorFields(error),
    deep: { list: ["planted-model-key", "planted@password"], "planted-token": 1 },
    option: "planted-in-option",
    key: KEY_SHAPE,
  });
  const text = said();
  expect(text).toContain("no answer from https://[redacted]@host/x");
  expect(text).not.toContain("planted");
  expect(text).not.toContain(KEY_SHAPE);
  expect(text).toContain("[redacted");
});

it("names an error of ours by its code, and shows the stack of one that nobody expected", () => {
  expect(toErrorFields(new SandboxError("box_create_failed", "no room"))).toEqual({
    error: "no room",
    code: "box_create_failed",
  });
  expect(toErrorFields(new TypeError("x"))).toMatchObject({ error: "x", stack: expect.stringContaining("TypeError") });
  expect(toErrorFields("text")).toEqual({ error: "text" });
});
