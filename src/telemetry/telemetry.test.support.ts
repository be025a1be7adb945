import type { Tracer } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { fanout } from "../loop/drivers/fanout.ts";
import type { RunLoopOptions } from "../loop/loop-types.ts";
import { createScriptedSandbox } from "../testing/scripted-sandbox.ts";
import type { TelemetryIds } from "./id-generator.ts";
import { createTelemetryIds } from "./id-generator.ts";

/** The real SDK, with an exporter that keeps what it gets. */
export function createSdk(withIds = true): {
  readonly tracer: Tracer;
  readonly ids: TelemetryIds;
  readonly exporter: InMemorySpanExporter;
} {
  const ids = createTelemetryIds();
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(exporter)],
    ...(withIds ? { idGenerator: ids } : {}),
  });
  return { tracer: provider.getTracer("skein"), ids, exporter };
}

export const SECRET_PROMPT = "the-prompt-itself";
export const SECRET_ARGS = "the-arguments-themselves";
export const SECRET_ANSWER = "the-answer-itself";

/** A parent and two forks of it; each turn calls a tool and reports its tokens. The first fork's output is valid, the others are not. */
export function forkingLoop(
  more: Partial<RunLoopOptions<string, string, string>>,
): RunLoopOptions<string, string, string> {
  return {
    task: SECRET_PROMPT,
    driver: fanout({ k: 2, prepare: true }) as RunLoopOptions<string, string, string>["driver"],
    agentRun: { name: "coder", profile: { name: "scripted" }, taskToPrompt: (task) => task },
    output: { parse: () => "output" },
    validator: {
      validate: (_output, { iteration }) => ({ valid: iteration === 1, score: iteration, notes: SECRET_ANSWER }),
    },
    sandboxClient: createScriptedSandbox({
      modes: ["memory"],
      agent: () => [
        { type: "tool.started", toolCallId: "call-1", toolName: "edit", kind: "edit", args: { path: SECRET_ARGS } },
        { type: "tool.ended", toolCallId: "call-1", toolName: "edit", status: "completed", result: SECRET_ARGS },
        { type: "text.delta", text: SECRET_ANSWER },
        { type: "usage.reported", model: "model-1", inputTokens: 10, outputTokens: 5 },
      ],
    }),
    lineage: { forkFanout: true },
    ...more,
  };
}

/** Names under names, as they lie in the trace. */
export function drawTree(spans: readonly ReadableSpan[]): string[] {
  const lines: string[] = [];
  const place = (span: ReadableSpan): string => span.spanContext().spanId;
  const draw = (parent: string | undefined, depth: number): void => {
    for (const span of spans) {
      const above = span.parentSpanContext?.spanId;
      const isHere =
        parent === undefined ? !spans.some((other) => place(other) === above) : above !== undefined && above === parent;
      if (!isHere) continue;
      lines.push(`${"  ".repeat(depth)}${span.name}`);
      draw(place(span), depth + 1);
    }
  };
  draw(undefined, 0);
  return lines;
}

/** What two exports of one session must agree in. */
export function toComparable(spans: readonly ReadableSpan[]): unknown[] {
  return spans
    .map((span) => ({
      id: span.spanContext().spanId,
      trace: span.spanContext().traceId,
      parent: span.parentSpanContext?.spanId,
      name: span.name,
      kind: span.kind,
      start: span.startTime,
      end: span.endTime,
      attributes: span.attributes,
      events: span.events.map(({ name, time, attributes }) => ({ name, time, attributes })),
      links: span.links.map(({ context, attributes }) => [context.traceId, context.spanId, attributes]),
      status: span.status,
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}
