import type { AttributeValue, SpanAttributes, SpanRecord } from "./span-record.ts";

/** Where spans come from, as OpenTelemetry's resources say it: `service.name` and what else is known. */
export type ResourceAttributes = Readonly<Record<string, string>>;

/** `TracesData` of the OpenTelemetry protocol, in its JSON form. */
export interface OtlpTraces {
  readonly resourceSpans: readonly unknown[];
}

export const SCOPE_NAME = "skein";

/**
 * Spans as the body of a request to `/v1/traces` of a collector, or as a line of the file that its `otlpjsonfile` receiver reads.
 * https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 *
 * @experimental
 */
export function toOtlp(spans: readonly SpanRecord[], resource: ResourceAttributes = {}): OtlpTraces {
  return {
    resourceSpans: [
      {
        resource: { attributes: toKeyValues({ "service.name": "skein", ...resource }) },
        scopeSpans: [{ scope: { name: SCOPE_NAME }, spans: spans.map(toSpan) }],
      },
    ],
  };
}

function toSpan(span: SpanRecord): unknown {
  const { traceId, spanId, parentSpanId, name, kind, startedAt, endedAt, attributes, marks, links, status } = span;
  return {
    traceId,
    spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    name,
    kind: kind === "client" ? 3 : 1,
    startTimeUnixNano: toNanoseconds(startedAt),
    endTimeUnixNano: toNanoseconds(endedAt),
    attributes: toKeyValues(attributes),
    events: marks.map((mark) => ({
      timeUnixNano: toNanoseconds(mark.at),
      name: mark.name,
      attributes: toKeyValues(mark.attributes),
    })),
    links: links.map((link) => ({
      traceId: link.traceId,
      spanId: link.spanId,
      attributes: toKeyValues(link.attributes),
    })),
    status: { code: status === "error" ? 2 : status === "ok" ? 1 : 0 },
  };
}

/** More than a double holds exactly, so it travels as text. */
function toNanoseconds(ms: number): string {
  return (BigInt(Math.round(ms)) * 1_000_000n).toString();
}

function toKeyValues(attributes: SpanAttributes): unknown[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: toAnyValue(value) }));
}

function toAnyValue(value: AttributeValue): unknown {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") return Number.isSafeInteger(value) ? { intValue: value } : { doubleValue: value };
  return { arrayValue: { values: value.map((one) => ({ stringValue: one })) } };
}
