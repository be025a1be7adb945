import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { importSession } from "../store/session-file.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import { readSpans } from "./read-spans.ts";
import type { SpanRecord } from "./span-record.ts";

const FIXTURES = join(import.meta.dirname, "..", "..", "test", "fixtures");

it("makes spans of a session that was stored in the first format, with the ids that they always had", async () => {
  const lines = readFileSync(join(FIXTURES, "format-1", "every-event.ndjson"), "utf8")
    .trimEnd()
    .split("\n");
  const store = await openMemoryStore();
  await importSession(store, lines);
  const spans: SpanRecord[] = [];
  for await (const span of readSpans(store, "every-event")) spans.push(span);
  expect(spans.map(({ name, traceId, spanId, status }) => `${traceId} ${spanId} ${name} ${status}`))
    .toMatchInlineSnapshot(`
    [
      "597d619c5c7a89df09b89546b4c492a1 c066149c38005e40 execute_tool edit unset",
      "597d619c5c7a89df09b89546b4c492a1 a9f7a9951d1e1042 execute_tool edit unset",
      "597d619c5c7a89df09b89546b4c492a1 f74480d34a24812b invoke_agent error",
      "597d619c5c7a89df09b89546b4c492a1 15307b9010e3f306 run error",
      "e81576c2cfea6c331f279b89fea8d968 a446ea13f9d45b8c round 0 unset",
      "e81576c2cfea6c331f279b89fea8d968 969e0d0283255094 box create unset",
      "e81576c2cfea6c331f279b89fea8d968 f515b555258b206b box create unset",
      "e81576c2cfea6c331f279b89fea8d968 3bb4b73eadb70df6 box checkpoint unset",
      "e81576c2cfea6c331f279b89fea8d968 86c0f0ad9b7f5c7b box checkpoint unset",
      "e81576c2cfea6c331f279b89fea8d968 bb138b9a73fb5da3 box fork unset",
      "e81576c2cfea6c331f279b89fea8d968 d239da377d5c734f box fork unset",
      "e81576c2cfea6c331f279b89fea8d968 40ec78ab4c456aaf iteration 0 error",
      "e81576c2cfea6c331f279b89fea8d968 8dfdc181ec0f69c7 iteration 1 unset",
      "e81576c2cfea6c331f279b89fea8d968 dd42fcf4537c98b3 round 1 unset",
      "e81576c2cfea6c331f279b89fea8d968 78f1c7bc24b51f95 loop beam unset",
    ]
  `);
  const call = spans.find(({ name }) => name === "invoke_agent");
  expect(call?.attributes).toMatchObject({
    "gen_ai.request.model": "m",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 5,
    "error.type": "backend_failed",
  });
});
