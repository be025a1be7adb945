import { ROOT_CONTEXT, SpanKind, SpanStatusCode } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { expect, it } from "vitest";
import { createIterableBackend } from "../backend/iterable/index.ts";
import type { StoredEvent } from "../event/event.ts";
import { runLoop } from "../loop/run-loop.ts";
import { openMemoryStore } from "../store/memory/index.ts";
import { streamTask } from "../stream/stream-task.ts";
import { createTelemetry, traceSession } from "./create-telemetry.ts";
import { deriveTraceId } from "./span-ids.ts";
import {
  createSdk,
  drawTree,
  forkingLoop,
  SECRET_ANSWER,
  SECRET_ARGS,
  SECRET_PROMPT,
  toComparable,
} from "./telemetry.test.support.ts";

const find = (spans: readonly ReadableSpan[], name: string): ReadableSpan => {
  const span = spans.find((one) => one.name === name);
  if (span === undefined) throw new Error(`no span ${name} among ${spans.map((one) => one.name).join(", ")}`);
  return span;
};

it("makes one trace of a loop: rounds, iterations, boxes, agents and tools, in the words of OpenTelemetry", async () => {
  const { tracer, ids, exporter } = createSdk();
  const telemetry = createTelemetry({ tracer, ids });
  await runLoop(forkingLoop({ sessionId: "loop_1", maxConcurrency: 1, onEvent: telemetry.observe }));
  const spans = exporter.getFinishedSpans();
  const turn = ["run", "  invoke_agent coder", "    execute_tool edit"];
  const under = (depth: number, lines: readonly string[]): string[] => lines.map((line) => "  ".repeat(depth) + line);
  expect(drawTree(spans)).toEqual([
    "loop fanout",
    "  round 0",
    "    iteration 0",
    "      box create",
    ...under(3, turn),
    "  round 1",
    "    box checkpoint",
    "    iteration 1",
    "      box fork",
    ...under(3, turn),
    "    iteration 2",
    "      box fork",
    ...under(3, turn),
  ]);
  expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([deriveTraceId("loop_1")]));
  expect(find(spans, "loop fanout").parentSpanContext).toBeUndefined();

  const agent = find(spans, "invoke_agent coder");
  expect(agent.kind).toBe(SpanKind.CLIENT);
  expect(agent.attributes).toMatchObject({
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.provider.name": "box",
    "gen_ai.agent.name": "coder",
    "gen_ai.request.model": "model-1",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.conversation.id": expect.stringMatching(/^conv_/),
  });
  expect(find(spans, "execute_tool edit").attributes).toMatchObject({
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "edit",
    "gen_ai.tool.call.id": "call-1",
  });
  const fork = find(spans, "iteration 2");
  const parent = find(spans, "iteration 0").spanContext();
  expect(fork.links).toMatchObject([{ context: { traceId: parent.traceId, spanId: parent.spanId } }]);
  expect(fork.events).toMatchObject([
    {
      name: "gen_ai.evaluation.result",
      attributes: { "gen_ai.evaluation.score.value": 2, "gen_ai.evaluation.score.label": "invalid" },
    },
  ]);
  expect(find(spans, "box fork").attributes).toMatchObject({ "skein.box.mode": "memory" });
  expect(spans.every(({ status }) => status.code === SpanStatusCode.UNSET)).toBe(true);
});

it("L10: leaves counts out that nobody reported", async () => {
  const { tracer, ids, exporter } = createSdk();
  const telemetry = createTelemetry({ tracer, ids });
  const backend = createIterableBackend("quiet", async function* () {
    yield { type: "usage.reported", outputTokens: 3 };
  });
  for await (const event of telemetry.observed(streamTask({ task: "x", backend }))) void event;
  const { attributes } = find(exporter.getFinishedSpans(), "invoke_agent");
  expect(attributes["gen_ai.usage.output_tokens"]).toBe(3);
  expect(Object.keys(attributes)).not.toContain("gen_ai.usage.input_tokens");
  expect(Object.keys(attributes)).not.toContain("gen_ai.request.model");
});

it("records no prompt, answer, argument or note unless it is asked to", async () => {
  for (const content of [false, true]) {
    const { tracer, ids, exporter } = createSdk();
    const telemetry = createTelemetry({ tracer, ids, content });
    await runLoop(forkingLoop({ onEvent: telemetry.observe }));
    const all = JSON.stringify(toComparable(exporter.getFinishedSpans()));
    for (const secret of [SECRET_PROMPT, SECRET_ARGS, SECRET_ANSWER]) expect(all.includes(secret)).toBe(content);
    if (!content) continue;
    const agent = find(exporter.getFinishedSpans(), "invoke_agent coder");
    expect(JSON.parse(String(agent.attributes["gen_ai.input.messages"]))).toEqual([
      { role: "user", parts: [{ type: "text", content: SECRET_PROMPT }] },
    ]);
    expect(JSON.parse(String(agent.attributes["gen_ai.output.messages"]))).toEqual([
      { role: "assistant", parts: [{ type: "text", content: SECRET_ANSWER }] },
    ]);
  }
});

it("makes of a stored session the very spans that were made as it ran", async () => {
  const store = await openMemoryStore();
  const live = createSdk();
  const telemetry = createTelemetry({ tracer: live.tracer, ids: live.ids });
  await runLoop(forkingLoop({ store, sessionId: "loop_2", onEvent: telemetry.observe }));
  const later = createSdk();
  const { spans } = await traceSession(store, "loop_2", { tracer: later.tracer, ids: later.ids });
  expect(toComparable(later.exporter.getFinishedSpans())).toEqual(toComparable(live.exporter.getFinishedSpans()));
  expect(spans).toBe(live.exporter.getFinishedSpans().length);
  // An iteration's session by itself stands in the trace of its loop.
  const child = createSdk();
  await traceSession(store, "loop_2.1", { tracer: child.tracer, ids: child.ids });
  const whole = new Set(live.exporter.getFinishedSpans().map((span) => span.spanContext().spanId));
  for (const span of child.exporter.getFinishedSpans()) {
    expect(span.spanContext().traceId).toBe(deriveTraceId("loop_2"));
    expect(whole).toContain(span.spanContext().spanId);
  }
  expect(child.exporter.getFinishedSpans()).toHaveLength(3);
});

it("keeps the trace's id and the tree where the tracer draws the ids of spans itself", async () => {
  const { tracer, exporter } = createSdk(false);
  const telemetry = createTelemetry({ tracer });
  await runLoop(forkingLoop({ sessionId: "loop_3", maxConcurrency: 1, onEvent: telemetry.observe }));
  const spans = exporter.getFinishedSpans();
  expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([deriveTraceId("loop_3")]));
  expect(drawTree(spans).slice(0, 4)).toEqual(["loop fanout", "  round 0", "    iteration 0", "      box create"]);
});

it("stands under a given span, and under the traceparent that a session is labelled with", async () => {
  const { tracer, ids, exporter } = createSdk();
  const request = tracer.startSpan("request", {}, ROOT_CONTEXT);
  const { traceId, spanId } = request.spanContext();
  const telemetry = createTelemetry({ tracer, ids, parent: request.spanContext() });
  await runLoop(forkingLoop({ onEvent: telemetry.observe }));
  request.end();
  expect(drawTree(exporter.getFinishedSpans()).slice(0, 2)).toEqual(["request", "  loop fanout"]);

  const store = await openMemoryStore();
  const traceparent = `00-${traceId}-${spanId}-01`;
  await runLoop(forkingLoop({ store, sessionId: "labelled", labels: { traceparent } }));
  const later = createSdk();
  await traceSession(store, "labelled", { tracer: later.tracer, ids: later.ids });
  const root = find(later.exporter.getFinishedSpans(), "loop fanout");
  expect(root.spanContext().traceId).toBe(traceId);
  expect(root.parentSpanContext?.spanId).toBe(spanId);
  expect(() => createTelemetry({ tracer, parent: "00-zero" })).toThrowError(/is no traceparent/);
});

it("says how a run failed, by its code and not in its words", async () => {
  const { tracer, ids, exporter } = createSdk();
  const telemetry = createTelemetry({ tracer, ids });
  const backend = createIterableBackend("broken", async function* () {
    yield { type: "tool.started", toolCallId: "t", toolName: "search" };
    throw new Error(`could not read ${SECRET_PROMPT}`);
  });
  for await (const event of telemetry.observed(streamTask({ task: "x", backend }))) void event;
  const spans = exporter.getFinishedSpans();
  expect(drawTree(spans)).toEqual(["run", "  invoke_agent", "    execute_tool search"]);
  for (const span of spans) expect(span.status.code).toBe(SpanStatusCode.ERROR);
  expect(find(spans, "run").attributes).toMatchObject({ "error.type": "Error", "skein.run.status": "failed" });
  expect(JSON.stringify(toComparable(spans))).not.toContain(SECRET_PROMPT);
});

it("makes a model's call of a backend that is one", async () => {
  const { tracer, ids, exporter } = createSdk();
  const telemetry = createTelemetry({ tracer, ids });
  const backend = createIterableBackend("ai-sdk", async function* () {
    yield { type: "usage.reported", model: "model-2", inputTokens: 1 };
  });
  for await (const event of telemetry.observed(streamTask({ task: "x", backend }))) void event;
  expect(find(exporter.getFinishedSpans(), "chat model-2").attributes["gen_ai.operation.name"]).toBe("chat");
});

it("links a fork of a session to the run that it was forked from, and hands over its own spans alone", async () => {
  const store = await openMemoryStore();
  const backend = createIterableBackend("echo", async function* () {
    yield { type: "text.delta", text: "a" };
  });
  const events: StoredEvent[] = [];
  for await (const event of streamTask({ task: "one", backend, store, sessionId: "parent" })) events.push(event);
  const child = await store.fork("parent", { atSeq: events.length - 2 });
  for await (const event of streamTask({ task: "two", backend, store, sessionId: child.id, resume: true })) void event;
  const parent = createSdk();
  await traceSession(store, "parent", { tracer: parent.tracer, ids: parent.ids });
  const fork = createSdk();
  await traceSession(store, child.id, { tracer: fork.tracer, ids: fork.ids });
  const spans = fork.exporter.getFinishedSpans();
  expect(drawTree(spans)).toEqual(["run", "  invoke_agent"]);
  const { traceId, spanId } = find(parent.exporter.getFinishedSpans(), "run").spanContext();
  expect(find(spans, "run").links).toMatchObject([
    { context: { traceId, spanId }, attributes: { "skein.link": "forked_from" } },
  ]);
  expect(find(spans, "run").spanContext().traceId).not.toBe(traceId);
});

it("lets a run be whose tracer throws", async () => {
  const broken = {
    startSpan: () => {
      throw new Error("no memory");
    },
    startActiveSpan: () => undefined,
  };
  const telemetry = createTelemetry({ tracer: broken });
  const { status } = await runLoop(forkingLoop({ onEvent: telemetry.observe }));
  expect(status).toBe("completed");
});

it("L6: passes on that its reader left, which aborts the run", async () => {
  const { tracer, ids, exporter } = createSdk();
  const store = await openMemoryStore();
  const backend = createIterableBackend("endless", async function* () {
    for (;;) yield { type: "text.delta", text: "more" };
  });
  for await (const event of createTelemetry({ tracer, ids }).observed(
    streamTask({ task: "x", backend, store, sessionId: "s" }),
  ))
    if (event.type === "text.delta") break;
  expect((await store.get("s"))?.status).toBe("aborted");
  expect(exporter.getFinishedSpans()).toEqual([]);
});
